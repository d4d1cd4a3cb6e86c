//! What the media plane is started with.

use std::net::{IpAddr, Ipv6Addr};

use confer_sfu_core::limits::Limits;

/// The media plane's settings, already checked and complete.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to receive media at. Default: `::`, which is every address, IPv4 included.
    pub bind: IpAddr,
    /// UDP port of the first shard; the next ones follow it. Default: 7882. Zero lets the system
    /// choose one for each shard, for tests.
    pub port: u16,
    /// Number of media threads. Default: 1. A room lives on one of them.
    pub shards: u16,
    /// Addresses clients are told to send media to, best first. When empty, `bind` if it is one
    /// address, else loopback. Default: empty.
    pub announced: Vec<IpAddr>,
    /// Whether to hand the kernel runs of equal datagrams at once (UDP GSO). Default: true. It is
    /// given up by itself where the kernel or the network card refuses.
    pub gso: bool,
    /// Whether each media thread stays on a core of its own when there are several.
    /// Default: true. One thread alone is placed better by the kernel.
    pub pin: bool,
    /// What each socket asks the kernel to hold, in bytes, for each direction. Default: 4 MiB. A
    /// process without privileges gets at most `net.core.rmem_max` and `wmem_max`, and says so.
    pub socket_buffer: usize,
    /// What one shard allows.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            port: 7882,
            shards: 1,
            announced: Vec::new(),
            gso: true,
            pin: true,
            socket_buffer: 4 * 1024 * 1024,
            limits: Limits::default(),
        }
    }
}
