//! Who is in which room, and what they are told.
//!
//! Two state machines without socket, clock, randomness, lock or task:
//!
//! * [`Session`] is one socket: authentication, heartbeat, rates, sizes, one answer per request.
//!   It sorts what is asked into [`Ask`]s and answers none of them itself.
//! * [`Hub`] is the rooms: seats, tracks, negotiation, numbered events, resume. A seat outlives the
//!   socket that speaks for it; [`Limits::grace`] says for how long.
//!
//! Both are driven alike: feed one input, drain `poll_output` until it returns `None`, wait no
//! longer than `poll_timeout`. What they need of media, chat and accounts is in [`ports`].
//! Client-visible behaviour is described in `docs/protocol.md`.
//!
//! Start reading at [`hub`], then `hub/membership.rs` for joining and resuming and `offer.rs` for
//! negotiation.

mod ask;
pub mod error;
pub mod hub;
mod limits;
mod offer;
pub mod ports;
mod random;
mod rate_limit;
mod room;
mod seat;
pub mod session;
mod validate;

pub use ask::{Ask, ChatAsk, ResumeAsk, RoomAsk};
pub use hub::{ConnectionId, Hub};
pub use limits::Limits;
pub use random::Random;
pub use session::Session;
