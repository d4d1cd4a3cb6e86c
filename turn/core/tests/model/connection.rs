//! A connection between a client and a peer over a relayed TCP address (RFC 6062).

use std::net::SocketAddr;

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) number: usize,
    pub(crate) control: usize,
    pub(crate) user: usize,
    pub(crate) peer: SocketAddr,
    pub(crate) state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Connecting { until: u64 },
    Awaiting { until: u64 },
    Spliced { data: usize },
}
