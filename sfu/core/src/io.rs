//! The whole boundary of a [`Shard`](crate::shard::Shard): what it is made of and what it gives.
//!
//! What goes in are datagrams, [`MediaCommand`](confer_protocol::media::MediaCommand)s and the
//! time; what comes out are [`Transmit`]s and [`MediaEvent`](confer_protocol::media::MediaEvent)s.

use std::net::{IpAddr, SocketAddr};

use crate::limits::Limits;
use crate::transport::dtls::Certificate;

/// What a shard is started with.
#[derive(Clone)]
pub struct ShardConfig {
    /// Addresses at which clients reach this shard's socket, best first. They become the host
    /// candidates of every answer.
    pub candidates: Vec<SocketAddr>,
    /// Proves who we are in DTLS; its fingerprint stands in every answer.
    pub certificate: Certificate,
    pub limits: Limits,
    /// Where SSRCs, ICE credentials and initial sequence numbers come from. It must be
    /// unpredictable in production and may be fixed in tests.
    pub seed: [u8; 32],
}

/// Bytes to put on the wire now.
#[derive(Debug, PartialEq, Eq)]
pub struct Transmit<'a> {
    pub destination: SocketAddr,
    /// Which of our addresses to send from: the one the client talks to.
    pub source: IpAddr,
    /// When present, `bytes` is a run of datagrams of this length each, only the last of which may
    /// be shorter: made for UDP generic segmentation offload. Otherwise `bytes` is one datagram.
    pub segment_size: Option<usize>,
    pub bytes: &'a [u8],
}

impl<'a> Transmit<'a> {
    /// The single datagrams, for a socket that cannot segment.
    pub fn datagrams(&self) -> std::slice::Chunks<'a, u8> {
        self.bytes.chunks(self.segment_size.unwrap_or(self.bytes.len()).max(1))
    }
}
