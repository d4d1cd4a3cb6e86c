//! One participant's way to us: ICE-lite finds it, DTLS makes the keys, SRTP uses them.
//!
//! The three know nothing of each other; `participant.rs` feeds them and moves
//! results from one to the next. None of them is keyed by an address: a participant that moves
//! keeps its handshake and its replay windows.

use std::net::{IpAddr, SocketAddr};

pub mod dtls;
pub mod ice;
pub mod srtp;

/// One way between a client and us.
///
/// Both ends matter: a host has several addresses, and a client takes answers only from the one it
/// has asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where the client is.
    pub remote: SocketAddr,
    /// Which of our addresses it talks to.
    pub local: IpAddr,
}
