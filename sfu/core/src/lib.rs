//! Whose media goes to whom: the media plane, without a socket, a clock, a thread or a lock.
//!
//! # Vocabulary
//!
//! A *participant* has one transport (ICE-lite, DTLS, SRTP) for both directions. Each m-line of
//! its offer that sends becomes a *publication*; each that only receives is a *slot*. A slot
//! carries at most one publication at a time, through a *subscription*: the numbers the
//! subscriber sees continue when the slot changes what it carries, so that joining, leaving and
//! switching speakers need no new negotiation.
//!
//! # The way of a packet
//!
//! [`Shard::handle_datagram`](shard::Shard::handle_datagram) → [`demux`] tells the protocols apart
//! → `participant` opens the packet in the receive buffer and finds its publication →
//! `publication` counts, notes gaps and copies the payload once into its `cache` →
//! `forwarder` asks each subscription whether and as what number it goes on (`rewriter`) →
//! `egress` writes and seals it when the driver polls, one subscriber at a time, as runs of
//! equal length.
//!
//! # How to drive it
//!
//! Feed one receive batch with `handle_datagram` (or one command, or a timeout), then call
//! `poll_transmit` until `None` and `poll_event` until `None`, then wait no longer than
//! `poll_timeout`. Nothing here reads a clock: `now` is an argument and must not run backwards.
//! Bad input is dropped and counted in [`stats`], or answered by a typed error; a panic is a bug.
//!
//! # Standards
//!
//! Done: RFC 3550 (sender and receiver reports), RFC 3711 and RFC 7714 (SRTP), RFC 4585 and
//! RFC 5104 (NACK, PLI, FIR), RFC 4588 (retransmission, both directions), RFC 5764 (DTLS-SRTP),
//! RFC 6464 (audio level), RFC 7983 (demultiplexing), RFC 8285 (header extensions), RFC 8445
//! (the lite half), RFC 7675 (consent), RFC 8843 (one bundle), transport-wide feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01), the payload descriptors of VP8, VP9,
//! H.264 and AV1 as far as keyframes and continuity need them.
//!
//! Not done: layer selection within simulcast and SVC (one layer is forwarded), bandwidth
//! estimation towards subscribers, pacing, data channels, ICE-TCP, RED, relay links between
//! shards.

pub mod codec;
pub mod demux;
pub mod error;
pub mod io;
pub mod limits;
pub mod rtp;
pub mod sdp;
pub mod shard;
pub mod stats;
pub mod transport;

mod arena;
mod cache;
mod commands;
mod connect;
mod control;
mod egress;
mod forwarder;
mod keyframe;
mod nack;
mod offer;
mod participant;
mod publication;
mod reception;
mod reports;
mod rewriter;
mod room;
mod rtx;
mod slots;
mod speaker;
mod speaking;
mod subscription;
mod twcc;

#[cfg(test)]
mod testing;
