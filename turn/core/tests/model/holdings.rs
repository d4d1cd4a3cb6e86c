//! What clients hold: allocations, and ports that are kept for later ones.

use std::net::{IpAddr, SocketAddr};

use confer_turn_core::RelayKind;
use confer_turn_core::message::TransactionId;

#[derive(Clone, Debug)]
pub(crate) struct Allocation {
    pub(crate) at: usize,
    pub(crate) user: usize,
    pub(crate) kind: RelayKind,
    pub(crate) relayed: Vec<SocketAddr>,
    pub(crate) expires: u64,
    pub(crate) transaction: TransactionId,
    pub(crate) token: Option<usize>,
    pub(crate) missing: Option<u8>,
    pub(crate) ticket: Option<usize>,
    pub(crate) moved_by: Option<(TransactionId, usize)>,
    pub(crate) permissions: Vec<(IpAddr, u64)>,
    pub(crate) channels: Vec<(u16, SocketAddr, u64)>,
    /// Packets and bytes of the client, then of its peers.
    pub(crate) traffic: [u64; 4],
}

/// RFC 8656, section 7.2.
pub(crate) struct Reservation {
    pub(crate) token: usize,
    pub(crate) user: usize,
    pub(crate) relayed: SocketAddr,
    pub(crate) expires: u64,
}
