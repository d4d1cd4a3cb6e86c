//! How HTTP is served: sockets, TLS, the web app. Which routes there are is `assemble`'s business.

pub(crate) mod assets;
pub(crate) mod client_addr;
pub(crate) mod cors;
pub(crate) mod first_byte;
pub(crate) mod headers;
pub(crate) mod listener;
pub(crate) mod request;
pub(crate) mod serve;
pub(crate) mod tls;
