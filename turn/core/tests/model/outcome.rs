//! What the relay does in answer to a packet, in the words of the model.

use std::net::SocketAddr;

use confer_turn_core::DropReason;

/// What a packet leads to. Tokens, tickets and connections are named by the order they were given
/// out in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Drop(DropReason),
    Error(u16),
    Allocated(Granted),
    Refreshed {
        lifetime: u64,
        ticket: Option<usize>,
    },
    Done,
    ToPeer {
        relayed: SocketAddr,
        peer: SocketAddr,
        length: usize,
        dont_fragment: bool,
    },
    ToClient {
        at: usize,
        channel: Option<u16>,
        peer: SocketAddr,
        length: usize,
    },
    Connecting {
        connection: usize,
        relayed: SocketAddr,
        peer: SocketAddr,
    },
    /// The answer to the Connect of `at`.
    Connected {
        at: usize,
        connection: usize,
    },
    NotConnected {
        at: usize,
    },
    /// A peer connected: the client hears of it.
    Attempt {
        at: usize,
        connection: usize,
        peer: SocketAddr,
    },
    Spliced {
        connection: usize,
    },
    Nothing,
}

/// A successful Allocate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) relayed: Vec<SocketAddr>,
    pub(crate) mapped: SocketAddr,
    pub(crate) lifetime: u64,
    pub(crate) token: Option<usize>,
    pub(crate) ticket: Option<usize>,
    pub(crate) missing: Option<u8>,
}
