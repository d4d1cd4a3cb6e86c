//! Signaling's sockets and routes: `GET /v1/connect`, driven by `confer-signaling-core`.
//!
//! [`start`] spawns one task that owns the hub and returns the route that feeds it. Each socket is
//! one task (`ws.rs`): it drives its session, calls the ports the session asks for, and writes what
//! its outbox holds. The hub task never waits for a socket: an outbox that overflows ends its
//! socket with `TooSlow`, and the client resumes.
//!
//! Start reading at `router.rs`, then `ws.rs`, then `hub_task.rs`.

mod calls;
mod config;
mod handshake;
mod hub_task;
mod line;
mod metrics;
mod outbox;
mod router;
mod signaling;
mod waiting_room;
mod ws;

pub use config::{Config, Origins};
pub use metrics::Metrics;
pub use signaling::{Ports, Signaling, start};
