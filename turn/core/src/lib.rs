//! The bundled STUN/TURN relay: decides, touches nothing.
//!
//! No socket, no clock, no task, no lock. A [`Server`] holds every allocation of one listener
//! thread; what several of them count together is in [`Shared`]. Drive it so:
//!
//! 1. Give each client packet to [`Server::handle_client`] and each packet that arrives on a relayed
//!    address to [`Server::handle_peer`], with the time and a buffer. Do what the returned
//!    [`Verdict`] says: the bytes to send were appended to the buffer.
//! 2. Drain [`Server::poll_event`]; a closed relayed address is then free again.
//! 3. Wait no longer than [`Server::poll_timeout`], then call [`Server::handle_timeout`].
//!
//! Input never panics. What an unauthenticated packet reaches keeps no memory: the nonce carries
//! its own proof ([`nonce`]), and an answer is never longer than the standard needs.
//!
//! The way of a packet: [`frame`] (what is it) → [`message`] (STUN) → [`server`] (which request)
//! → [`credentials`] and [`policy`] (may it) → `allocation` (permissions, channels).
//!
//! **Standards.** RFC 8656 (allocations of one or both families, EVEN-PORT, reservation,
//! DONT-FRAGMENT, ICMP), RFC 8489 (both integrity attributes, USERHASH, PASSWORD-ALGORITHMS, names
//! and passwords of static users in OpaqueString and in the older SASLprep), RFC 6062 (TCP
//! allocations), RFC 7635 (access tokens), RFC 8016 (mobility), RFC 5780 (behaviour discovery).
//! `docs/turn.md` has a line, and a test, for every section.

mod allocation;
mod challenge;
pub mod client;
mod cookie;
pub mod credentials;
pub mod frame;
pub mod hello;
pub mod integrity;
pub mod message;
pub mod nonce;
pub mod policy;
pub mod proxy;
pub mod quota;
pub mod record;
pub mod server;

pub use allocation::{Relayed, Traffic};
pub use challenge::Challenges;
pub use cookie::{Cookies, Standing};
pub use credentials::{Credentials, OauthKey, Tenant, TenantId};
pub use frame::ChannelRange;
pub use policy::{OwnRelays, PeerPolicy, Rule, ThisHost};
pub use quota::{Holdings, Ledger, TenantLimits, Toll};
pub use server::{
    Behaviour, CloseReason, Config, ConnectFailure, ConnectionId, DropReason, Event, Family,
    FiveTuple, Host, Limits, Now, PortWish, Refusals, RelayKind, RelayRequest, RelaySocket, Server,
    SessionInfo, Shared, Transport, Verdict, owner,
};
