use confer_turn_core::Traffic;
use serde::Serialize;
use utoipa::ToSchema;

/// What an allocation carried: `sent` by its client, `received` from its peers; streams (RFC 6062)
/// count in bytes alone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Carried {
    sent_bytes: u64,
    sent_packets: u64,
    received_bytes: u64,
    received_packets: u64,
}

impl From<Traffic> for Carried {
    fn from(traffic: Traffic) -> Self {
        let Traffic { sent_bytes, sent_packets, received_bytes, received_packets } = traffic;
        Self { sent_bytes, sent_packets, received_bytes, received_packets }
    }
}
