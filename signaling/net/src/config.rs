use std::time::Duration;

use confer_signaling_core::Limits;

/// How signaling runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the protocol bounds.
    pub limits: Limits,
    /// Which web pages may open a socket.
    pub origins: Origins,
    /// What clients are told they speak to, for bug reports. Default: `confer`.
    pub server: String,
    /// Sockets open at a time; more are refused with 503. Default: 20 000.
    pub connections: usize,
    /// Sockets opened without a token that have not presented one yet; more are refused with 503.
    /// Default: 1 000.
    pub unauthenticated_connections: usize,
    /// Of these, sockets of one address (IPv6: of one /64 network); more are refused with 429.
    /// Default: 64.
    pub unauthenticated_per_address: usize,
    /// Frames that wait for one socket before it is closed as too slow. Default: 2048.
    pub outgoing_frames: usize,
    /// Bytes that wait for one socket before it is closed as too slow. Default: 1 MiB.
    pub outgoing_bytes: usize,
    /// How long accounts and chat may take before the request is answered with `unavailable`.
    /// Default: 10 s.
    pub port_timeout: Duration,
    /// How long clients have between the word that the server goes and the end of their sockets.
    /// Default: 300 ms.
    pub drain_notice: Duration,
    /// How long a drain waits for sockets to close before it gives up on them. Default: 5 s.
    pub drain_timeout: Duration,
    /// When clients are asked to come back after a drain. Default: 1 s.
    pub drain_retry_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            origins: Origins::default(),
            server: "confer".to_owned(),
            connections: 20_000,
            unauthenticated_connections: 1_000,
            unauthenticated_per_address: 64,
            outgoing_frames: 2048,
            outgoing_bytes: 1024 * 1024,
            port_timeout: Duration::from_secs(10),
            drain_notice: Duration::from_millis(300),
            drain_timeout: Duration::from_secs(5),
            drain_retry_after: Duration::from_secs(1),
        }
    }
}

/// Which web pages may open a socket. Programs that are no browsers send no origin and always may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Pages of this server, and of these origins (`https://app.example`).
    SameAnd(Vec<String>),
    /// Every page: the token alone decides.
    Any,
}

impl Default for Origins {
    /// Pages of this server only.
    fn default() -> Self {
        Self::SameAnd(Vec::new())
    }
}
