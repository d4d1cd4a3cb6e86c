//! The media plane's threads and sockets.
