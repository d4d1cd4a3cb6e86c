//! The data path: between a client and its peers. Allocates nothing once buffers have grown.

use std::net::SocketAddr;
use std::time::Instant;

use super::{DropReason, FiveTuple, Now, RelayKind, Server, Verdict};
use crate::allocation::Allocation;
use crate::frame::CHANNEL_HEADER;
use crate::message::{Attributes, Class, Message, Method, Writer, attribute};

/// Longest ICMP payload a client is told (RFC 8656, section 18.13).
const ICMP_DATA: usize = 4;

/// Longest payload that a Data indication holds beside an IPv6 address. One more would not fit the
/// message's length, and on a stream what is left over would be read as the next frame.
const LONGEST_DATA: usize = 65_532 - 4 - 20 - 4;

impl Server {
    /// Takes one packet that arrived on a relayed address; its frame for the client is appended
    /// to `out`.
    pub fn handle_peer(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
        out: &mut Vec<u8>,
        now: Now,
    ) -> Verdict {
        let Some(tuple) = self.by_relayed.get(&relayed).copied() else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        let Some(allocation) = self.allocations.get_mut(&tuple) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        if !allocation.permits(peer.ip(), now.steady) {
            return Verdict::Drop(DropReason::NotPermitted);
        }
        let channel = allocation.channel_to(peer, now.steady);
        let (Ok(length), true) =
            (u16::try_from(payload.len()), channel.is_some() || payload.len() <= LONGEST_DATA)
        else {
            return Verdict::Drop(DropReason::TooLarge);
        };
        if !allocation.spend(payload.len(), now.steady) {
            return Verdict::Drop(DropReason::OverRate);
        }
        allocation.traffic.received_bytes += u64::from(length);
        allocation.traffic.received_packets += 1;
        match channel {
            Some(channel) => {
                let [c0, c1] = channel.to_be_bytes();
                let [l0, l1] = length.to_be_bytes();
                out.extend_from_slice(&[c0, c1, l0, l1]);
                out.extend_from_slice(payload);
                // Needed on streams, left out of datagrams (RFC 8656, section 12.5).
                if tuple.transport.is_stream() {
                    let padding = payload.len().next_multiple_of(4) - payload.len();
                    out.resize(out.len() + padding, 0);
                }
            }
            None => {
                let transaction = indication_id(allocation.traffic.received_packets);
                Writer::begin(out, Class::Indication, Method::Data, &transaction)
                    .address(attribute::XOR_PEER_ADDRESS, peer)
                    .bytes(attribute::DATA, payload);
            }
        }
        Verdict::ToClient(tuple)
    }

    /// Takes an ICMP message about a packet that went from a relayed address to `peer`
    /// (RFC 8656, section 11.5).
    pub fn handle_icmp(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        (kind, code): (u8, u8),
        data: [u8; ICMP_DATA],
        out: &mut Vec<u8>,
        now: Now,
    ) -> Verdict {
        let allocation =
            self.by_relayed.get(&relayed).and_then(|tuple| self.allocations.get_mut(tuple));
        let Some(allocation) = allocation else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        if !allocation.permits(peer.ip(), now.steady) {
            return Verdict::Drop(DropReason::NotPermitted);
        }
        allocation.traffic.received_packets += 1;
        let transaction = indication_id(allocation.traffic.received_packets);
        let [d0, d1, d2, d3] = data;
        Writer::begin(out, Class::Indication, Method::Data, &transaction)
            .address(attribute::XOR_PEER_ADDRESS, peer)
            .bytes(attribute::ICMP, &[0, 0, kind, code, d0, d1, d2, d3]);
        Verdict::ToClient(allocation.tuple)
    }

    pub(super) fn relay_channel(
        &mut self,
        tuple: &FiveTuple,
        channel: u16,
        length: usize,
        now: Instant,
    ) -> Verdict {
        let Some(allocation) = self.allocations.get_mut(tuple) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        let Some(peer) = allocation.peer_of(channel, now) else {
            return Verdict::Drop(DropReason::NoChannel);
        };
        let payload = CHANNEL_HEADER..CHANNEL_HEADER + length;
        relay_to(allocation, peer, payload, false, now)
    }

    /// RFC 8656, section 11.2.
    pub(super) fn relay_send(
        &mut self,
        tuple: &FiveTuple,
        message: &Message<'_>,
        now: Instant,
    ) -> Verdict {
        let attributes = Attributes::gather(message);
        let (Some(peer), Some(data)) = (attributes.peers().next(), attributes.data) else {
            return Verdict::Drop(DropReason::Unexpected);
        };
        if !attributes.unknown().is_empty() || attributes.malformed {
            return Verdict::Drop(DropReason::Unexpected);
        }
        // A permission names no port; a channel's peer was judged with its port when it was bound.
        let Some(allocation) = self.allocations.get_mut(tuple) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        match self.config.credentials.tenant(allocation.tenant) {
            None => return Verdict::Drop(DropReason::NoAllocation),
            Some(tenant) if !tenant.policy.permits(peer) => {
                return Verdict::Drop(DropReason::PeerDenied);
            }
            Some(_) => {}
        }
        // Both slices are of the same packet: their distance is the offset.
        let start = data.as_ptr() as usize - message.bytes().as_ptr() as usize;
        relay_to(allocation, peer, start..start + data.len(), attributes.dont_fragment, now)
    }
}

fn relay_to(
    allocation: &mut Allocation,
    peer: SocketAddr,
    payload: std::ops::Range<usize>,
    dont_fragment: bool,
    now: Instant,
) -> Verdict {
    let relayed = allocation.relayed.of(super::Family::of(peer.ip()));
    let (Some(relayed), RelayKind::Udp) = (relayed, allocation.kind) else {
        return Verdict::Drop(DropReason::NotPermitted);
    };
    if !allocation.permits(peer.ip(), now) {
        return Verdict::Drop(DropReason::NotPermitted);
    }
    if !allocation.spend(payload.len(), now) {
        return Verdict::Drop(DropReason::OverRate);
    }
    allocation.traffic.sent_bytes += payload.len() as u64;
    allocation.traffic.sent_packets += 1;
    Verdict::ToPeer { relayed, peer, payload, dont_fragment }
}

/// Indications need an id of their own that nobody compares.
fn indication_id(number: u64) -> [u8; 12] {
    let mut id = [0; 12];
    let (_, low) = id.split_at_mut(4);
    low.copy_from_slice(&number.to_be_bytes());
    id
}
