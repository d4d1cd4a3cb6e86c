//! The in-process path: datagrams between the relay's threads and the media threads of one process,
//! without a socket between them.
//!
//! On the wire such a datagram would leave through the socket of a relayed address, pass the
//! kernel's loopback, and arrive at a media thread's socket, or the other way round. Here it goes
//! through memory: a ring of bytes from each thread to each thread of the other side ([`ring`]), so
//! that every ring has one writer and one reader and no packet waits for a lock. A frame carries the
//! addresses that would be on the wire, and a whole run of equal datagrams where the sender has one.
//!
//! [`connect`] makes the ends. [`RelayEnd`] asks whether a peer is one of the addresses that media
//! threads announced; [`MediaEnd`] asks a table whether a destination is a relayed address now, and
//! whose ([`table`]). What is neither goes through a socket as ever, and so does everything once the
//! other side is gone. A full ring loses what comes, as a full socket buffer does.
//!
//! A reader is woken only if it sleeps ([`sleep`]), by whatever bell its thread has already.

mod end;
mod media;
mod relay;
mod ring;
mod sleep;
mod table;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

pub use media::MediaEnd;
pub use relay::{Received, RelayEnd};
use ring::MIN_RING_BYTES;
pub use ring::MOST_BYTES;
use table::{Announced, Relayed};

/// Bytes that wait in one ring by default: a tenth of a second of 160 Mbit/s, which is a hundred
/// pictures' worth of clients on one relaying thread. Media that is later than that helps nobody.
pub const DEFAULT_RING_BYTES: usize = 2 * 1024 * 1024;

/// What is connected.
#[derive(Clone, Debug)]
pub struct Config {
    pub relay_threads: usize,
    pub media_threads: usize,
    /// The IP addresses of relayed addresses, as peers see them.
    pub relayed: Vec<IpAddr>,
    /// Bytes that may wait in each ring; there are two for each pair of threads. Default:
    /// [`DEFAULT_RING_BYTES`]. Less than the longest run and its frame is raised to that.
    pub ring_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            relay_threads: 1,
            media_threads: 1,
            relayed: Vec::new(),
            ring_bytes: DEFAULT_RING_BYTES,
        }
    }
}

/// Where a run of datagrams went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the ring; the next `wake` tells the reader.
    Handed,
    /// It is lost: the ring is full.
    Full,
    /// It is not for the other side, or there is none any more: send it through a socket.
    Elsewhere,
}

/// The ends of each relaying thread and of each media thread, in their order.
///
/// Thread numbers beyond `u16::MAX` have no place in the table and get no end.
pub fn connect(config: &Config) -> (Vec<RelayEnd>, Vec<MediaEnd>) {
    let relay_threads = config.relay_threads.min(table::MOST_THREADS);
    let ring_bytes = config.ring_bytes.max(MIN_RING_BYTES);
    let relayed = Arc::new(Relayed::new(&config.relayed));
    let announced = Arc::new(Announced::new(config.media_threads));
    let (relay, media) = end::mesh(relay_threads, config.media_threads, ring_bytes);
    let tables = || (Arc::clone(&relayed), Arc::clone(&announced));
    let relay = (0..).zip(relay).map(|(thread, end)| RelayEnd::new(thread, end, tables()));
    let media = (0..).zip(media).map(|(thread, end)| MediaEnd::new(thread, end, tables()));
    (relay.collect(), media.collect())
}
