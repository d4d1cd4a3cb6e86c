//! Signaling's sockets and routes.
