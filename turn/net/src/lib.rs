//! The bundled relay's sockets.
