//! What one shard counts. Counters only grow; gauges say what is now.

/// A copy of a shard's counters, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardStats {
    /// Gauge: rooms with at least one participant.
    pub rooms: u64,
    /// Gauge: participants with a place here, connected or not.
    pub participants: u64,
    /// Gauge: participants whose transport is connected.
    pub connected: u64,
    /// Gauge: published tracks.
    pub publications: u64,
    /// Gauge: slots that carry a track now.
    pub subscriptions: u64,

    /// RTP packets received and accepted, retransmissions included.
    pub packets_in: u64,
    pub bytes_in: u64,
    /// RTP packets sent, retransmissions included.
    pub packets_out: u64,
    pub bytes_out: u64,
    /// Packets that waited for a run and were sent as part of one longer than one datagram.
    pub packets_in_runs: u64,
    /// Frames of RTP that begin a keyframe.
    pub keyframes_in: u64,

    /// Packets a publisher was asked for again, by NACK.
    pub nacks_sent: u64,
    /// Packets a publisher repeated and that were still missing.
    pub repaired: u64,
    /// Packets given up as lost between publisher and us.
    pub lost: u64,
    /// Packets subscribers asked for again.
    pub nacks_received: u64,
    /// Of those, packets that were sent again.
    pub retransmitted: u64,
    /// Of those, packets no longer in the cache, or asked for again too soon or too often.
    pub not_retransmitted: u64,
    /// Keyframe requests sent to publishers.
    pub keyframes_requested: u64,
    /// Keyframe requests from subscribers, before they were merged.
    pub keyframe_requests_received: u64,

    /// Dropped: no participant is known by this address or ufrag.
    pub dropped_unknown: u64,
    /// Dropped: not a protocol of RFC 7983, or a malformed one.
    pub dropped_malformed: u64,
    /// Dropped: STUN that did not authenticate or is no binding request.
    pub dropped_stun: u64,
    /// Dropped: DTLS that could not be used.
    pub dropped_dtls: u64,
    /// Dropped: SRTP or SRTCP that did not authenticate, came twice, or came before the keys.
    pub dropped_srtp: u64,
    /// Dropped: RTP that belongs to no m-line that publishes.
    pub dropped_unmapped: u64,
    /// Dropped: a packet that had come already.
    pub dropped_duplicate: u64,
    /// Dropped: a payload type that was not negotiated, or a payload too large to forward.
    pub dropped_payload: u64,
    /// Dropped: media of a track its owner muted.
    pub dropped_muted: u64,
    /// Not forwarded: the subscriber did not negotiate the publisher's codec.
    pub dark_no_codec: u64,
    /// Not forwarded: a slot waited for a keyframe.
    pub dark_no_keyframe: u64,
    /// Dropped: more packets waited for a subscriber than `Limits::egress_packets`.
    pub dropped_egress_full: u64,
    /// Dropped: more control bytes waited than `Limits::control_bytes`.
    pub dropped_control_full: u64,
}
