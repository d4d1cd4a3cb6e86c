//! Signaling over real WebSockets on loopback, with fakes for media, chat and accounts.

mod abuse;
mod authentication;
mod calls;
mod chat;
mod client;
mod fakes;
mod lifecycle;
mod rooms;
