use std::net::IpAddr;

/// The address a request counts for, in rate limits; `server` puts it into every request.
///
/// Behind a trusted proxy it is the client's, not the proxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);
