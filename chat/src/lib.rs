//! Messages, receipts and history, and their SQL.
//!
//! What this crate promises, for every conversation: an acknowledged message is durable and keeps
//! one number; a retry with the same client id is answered with that number, without a time limit;
//! a member that stays or comes back receives every event after its cursor, in order; where that is
//! impossible it is told to reset. Losing the bus or a node costs latency only.
//!
//! [`ChatService::start`] gives a handle to share and [`Running`] to stop it with; [`routes()`] are
//! the HTTP face of the same operations. A message's way: `service.rs` checks what needs no
//! database, `writer` makes it durable with everything that queued meanwhile, `delivery` brings it
//! to the feeds of this node and, over the bus, of others. `receipts.rs` keeps how far everybody is.
//! Statements stand in `sql`, the schema in `migrations/`.

mod access;
mod config;
mod delivery;
mod error;
mod message;
pub mod ports;
mod read;
mod receipts;
mod room;
mod routes;
mod service;
mod sql;
mod stats;
mod writer;

pub use config::{Config, Limits};
pub use delivery::Feed;
pub use error::{FieldError, MarkError, ReadError, RoomError, SendError, StartError};

pub use routes::{openapi, routes};
pub use service::{ChatService, Running};
pub use sql::room::Room;
pub use stats::ChatStats;

/// The schema of the whole server, embedded. `Migrator::run` applies what is missing under an
/// advisory lock, so several nodes may start at once.
pub fn migrations() -> &'static sqlx::migrate::Migrator {
    static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../migrations");
    &MIGRATIONS
}
