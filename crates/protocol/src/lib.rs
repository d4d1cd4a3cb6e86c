//! What travels between a client and the server, and the ids everything is named by.
//!
//! No logic and no I/O: the types here are the wire. [`client`] and [`server`] are the frames of
//! `GET /v1/connect` (subprotocol [`SUBPROTOCOL`]), [`rest`] the bodies of the HTTP routes,
//! [`chat`] what both share, [`media`] what signaling and the media plane tell each other inside
//! the server. The TypeScript of `sdk/js/src/protocol.gen.ts` is generated from the same types.
//!
//! **To add a message:** add a variant to [`client::Request`] and its answer to
//! [`server::Reply`] (or an event to [`server::RoomEvent`] or [`server::Notice`]), run
//! `make gen`, and add the golden file that the test then asks for.

pub mod chat;
pub mod client;
pub mod error;
pub mod id;
pub mod media;
pub mod rest;
pub mod room;
pub mod server;
mod timestamp;

pub use timestamp::Timestamp;

/// The WebSocket subprotocol that the server selects.
pub const SUBPROTOCOL: &str = "confer.v1";

/// Offered beside [`SUBPROTOCOL`] by browsers, which cannot set headers on a WebSocket; followed by
/// the access token. Never echoed.
pub const BEARER_SUBPROTOCOL_PREFIX: &str = "confer.bearer.";

/// Cookie-less paths start with this; a change that breaks clients starts another.
pub const API_PREFIX: &str = "/v1";
