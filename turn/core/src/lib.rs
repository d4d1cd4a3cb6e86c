//! The bundled STUN/TURN relay: decides, touches nothing.
//!
//! No socket, no clock, no task, no lock. A [`Server`] holds every allocation of one listener
//! thread. Drive it so:
//!
//! 1. Give each client packet to [`Server::handle_client`] and each packet that arrives on a relayed
//!    address to [`Server::handle_peer`], with the time. Do what the returned [`Verdict`] says: the
//!    bytes of a reply are in [`Server::reply`] until the next call.
//! 2. Drain [`Server::poll_event`]; a closed allocation's relayed address is then free again.
//! 3. Wait no longer than [`Server::poll_timeout`], then call [`Server::handle_timeout`].
//!
//! Input never panics. What an unauthenticated packet reaches keeps no memory: the nonce carries
//! its own proof ([`nonce`]), and an answer is never longer than the standard needs.
//!
//! The way of a packet: [`frame`] (what is it) → [`message`] (STUN) → [`server`] (which request)
//! → [`credentials`] and [`policy`] (may it) → [`allocation`] (permissions, channels).
//!
//! **Standards.** RFC 8489 (Binding, long-term credentials with MESSAGE-INTEGRITY), RFC 8656 for
//! UDP allocations of one address family. Not yet: SHA-256 and USERHASH, EVEN-PORT and reservation
//! (answered 420 or 508 as the RFC asks of a server without them), dual allocations, DONT-FRAGMENT,
//! ICMP, RFC 6062, 7635, 8016, 5780.

pub mod allocation;
pub mod credentials;
pub mod frame;
pub mod message;
pub mod nonce;
pub mod policy;
pub mod server;

pub use credentials::Credentials;
pub use policy::PeerPolicy;
pub use server::{
    CloseReason, Config, DropReason, Event, FiveTuple, Limits, Now, RelayPorts, Server, Transport,
    Verdict,
};
