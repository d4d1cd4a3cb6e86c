//! Every cap of the media plane, with its default. What parsing is limited to stands in
//! [`SdpLimits`](crate::sdp::SdpLimits), how long silence may last in
//! [`ConsentLimits`](crate::transport::ice::ConsentLimits).

use std::time::Duration;

/// What one shard allows. A command beyond a limit is refused with an error naming it; a packet
/// beyond one is dropped and counted in [`ShardStats`](crate::stats::ShardStats).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Participants on one shard. Default: 2,000, more than one core can serve.
    pub participants: usize,
    /// Participants in one room. Default: 500; beyond it a room needs more than one shard.
    pub participants_per_room: usize,
    /// Tracks one participant publishes. Default: 8.
    pub tracks_per_participant: usize,
    /// Tracks published in one room. Default: 1,000.
    pub tracks_per_room: usize,
    /// Receive slots of one participant. Default: 64.
    pub slots_per_participant: usize,
    /// Wishes in one `Subscribe` that are taken. Default: 1,024, as many as a room has tracks.
    pub wishes: usize,
    /// SSRCs one publication may send from: layers and their retransmissions, and those of a
    /// restarted sender. Default: 8.
    pub ssrcs_per_publication: usize,
    /// Packets that wait for sealing for one subscriber; the oldest are kept, later ones dropped,
    /// so that repair by NACK begins at a known place. Default: 1,024.
    pub egress_packets: usize,
    /// Bytes of STUN, DTLS and RTCP that wait for the driver. Default: 512 KiB; beyond it a
    /// datagram is dropped, and all three protocols repeat what matters.
    pub control_bytes: usize,
    /// The shortest time between two keyframe requests for one publication. Default: 300 ms.
    pub keyframe_interval: Duration,
    /// The shortest time between two `Speakers` events of a room. Default: 200 ms.
    pub speakers_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            participants: 2_000,
            participants_per_room: 500,
            tracks_per_participant: 8,
            tracks_per_room: 1_000,
            slots_per_participant: 64,
            wishes: 1_024,
            ssrcs_per_publication: 8,
            egress_packets: 1_024,
            control_bytes: 512 * 1024,
            keyframe_interval: Duration::from_millis(300),
            speakers_interval: Duration::from_millis(200),
        }
    }
}
