//! One participant's way to us: ICE-lite finds it, DTLS makes the keys, SRTP uses them.
//!
//! The three know nothing of each other; [`participant`](crate::participant) feeds them and moves
//! results from one to the next. None of them is keyed by an address: a participant that moves
//! keeps its handshake and its replay windows.

pub mod dtls;
pub mod ice;
pub mod srtp;
