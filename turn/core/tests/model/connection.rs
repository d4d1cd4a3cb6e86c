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

/// All of them, and those that the relay has ended since somebody looked.
#[derive(Default)]
pub(crate) struct Connections {
    pub(crate) open: Vec<Connection>,
    pub(crate) ended: Vec<usize>,
}

impl Connections {
    pub(crate) fn end(&mut self, ends: impl Fn(&Connection) -> bool) {
        let ended = self.open.iter().filter(|one| ends(one)).map(|one| one.number);
        self.ended.extend(ended);
        self.open.retain(|one| !ends(one));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Connecting { until: u64 },
    Awaiting { until: u64 },
    Spliced { data: usize },
}
