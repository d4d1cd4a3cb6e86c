//! From "this packet under that number" to bytes: written, sealed and laid out for one subscriber.
//!
//! Nothing is written when a packet arrives. When the driver polls, the packets of one subscriber
//! are sealed one behind the other into the shard's arena, as a run of equal length that the kernel
//! cuts into datagrams (UDP generic segmentation offload): one pass through the network stack
//! instead of one per packet. Packets of a frame differ by a few bytes at most; padding evens that.

use std::collections::VecDeque;

use confer_protocol::room::MediaKind;

use crate::arena::Arena;
use crate::cache::Found;
use crate::nack::Sent;
use crate::publication::Publication;
use crate::rtp::extension::{BLOCK_HEADER, ExtensionWriter};
use crate::rtp::packet::{FIXED_HEADER, FixedHeader};
use crate::rtp::{Pt, SeqNo, Ssrc};
use crate::rtx;
use crate::sdp::Extension;
use crate::subscription::Slot;
use crate::transport::srtp::{RTP_OVERHEAD, Sealer};

/// Datagrams in one run: what every kernel with segmentation takes.
const RUN_DATAGRAMS: usize = 64;
/// Bytes of one run: the largest UDP payload, so that the kernel takes it whole.
const RUN_BYTES: usize = 65_000;
/// A packet that lacks at most this many bytes to its run's length is padded to it.
const PADDING: usize = 16;
/// The arena's size: a run, and room for one more packet while it is being made.
const ARENA_BYTES: usize = RUN_BYTES + 2_048;

/// A packet that waits for sealing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    slot: u16,
    is_repeat: bool,
    seq: SeqNo,
}

impl Pending {
    /// A packet sent for the first time.
    pub(crate) fn media(slot: usize, seq: SeqNo) -> Self {
        Self { slot: u16::try_from(slot).unwrap_or(u16::MAX), is_repeat: false, seq }
    }

    /// A packet that was lost on its way.
    pub(crate) fn repeat(slot: usize, seq: SeqNo) -> Self {
        Self { slot: u16::try_from(slot).unwrap_or(u16::MAX), is_repeat: true, seq }
    }
}

/// What waits for one subscriber, and the counters its packets share.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    pub(crate) pending: VecDeque<Pending>,
    transport_seq: u16,
}

impl Egress {
    fn next_transport_seq(&mut self) -> u16 {
        self.transport_seq = self.transport_seq.wrapping_add(1);
        self.transport_seq
    }
}

/// One packet as planned, before any byte is written.
#[derive(Clone, Copy)]
struct Plan {
    pending: Pending,
    /// Present when it goes out as a retransmission (RFC 4588).
    rtx_pt: Option<Pt>,
    /// Only video that goes out for the first time is padded: repeats must be the same bytes
    /// again, and audio is not worth it.
    can_pad: bool,
    header: usize,
    /// Without the tag, and without padding that is still to be decided.
    length: usize,
    padding: u8,
}

/// The next run of one subscriber.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) length: usize,
    /// Of each datagram but the last, which may be shorter.
    pub(crate) segment: usize,
    pub(crate) datagrams: usize,
}

/// Where runs are made; one per shard, so that it stays in the processor's cache.
pub(crate) struct Workbench {
    arena: Box<[u8]>,
    plans: Vec<Plan>,
}

impl Workbench {
    pub(crate) fn new() -> Self {
        let plans = Vec::with_capacity(RUN_DATAGRAMS);
        Self { arena: vec![0; ARENA_BYTES].into_boxed_slice(), plans }
    }

    /// The bytes of the run made last.
    pub(crate) fn bytes(&self, run: Run) -> &[u8] {
        &self.arena[..run.length]
    }

    /// Seals the next packets of one subscriber; `None` when nothing waits.
    pub(crate) fn make_run(
        &mut self,
        egress: &mut Egress,
        slots: &mut [Slot],
        sealer: &Sealer,
        publications: &Arena<Publication>,
        send_time: u32,
    ) -> Option<Run> {
        let longest = self.plan(egress, slots, publications, sealer.profile().tag_len());
        let mut run = Run { length: 0, segment: longest, datagrams: 0 };
        for plan in &self.plans {
            let Some(slot) = slots.get_mut(usize::from(plan.pending.slot)) else { continue };
            let space = &mut self.arena[run.length..];
            if let Some(written) = seal(plan, egress, slot, sealer, publications, send_time, space)
            {
                run.length += written;
                run.datagrams += 1;
            }
        }
        (run.datagrams > 0).then_some(run)
    }

    /// Takes the packets of the next run from the queue and decides the length of its datagrams,
    /// tag included.
    fn plan(
        &mut self,
        egress: &mut Egress,
        slots: &mut [Slot],
        publications: &Arena<Publication>,
        tag: usize,
    ) -> usize {
        self.plans.clear();
        let mut longest = 0;
        let mut shortest = usize::MAX;
        let mut can_stretch = true;
        while self.plans.len() < RUN_DATAGRAMS {
            let Some(pending) = egress.pending.front().copied() else { break };
            let Some(plan) = plan_packet(pending, slots, publications) else {
                // Overwritten, or its slot is gone: nobody waits for it any more.
                egress.pending.pop_front();
                continue;
            };
            let grows = !self.plans.is_empty() && plan.length > longest;
            if grows && !(can_stretch && plan.length - shortest <= PADDING) {
                break;
            }
            if (self.plans.len() + 1) * (longest.max(plan.length) + tag) > RUN_BYTES {
                break;
            }
            egress.pending.pop_front();
            self.plans.push(plan);
            longest = longest.max(plan.length);
            let lacks = longest - plan.length;
            if lacks > if plan.can_pad { PADDING } else { 0 } {
                // Shorter than padding can even: it is the last of its run.
                break;
            }
            shortest = shortest.min(plan.length);
            can_stretch &= plan.can_pad;
        }
        if let Some((_, before_last)) = self.plans.split_last_mut() {
            for plan in before_last.iter_mut().filter(|plan| plan.can_pad) {
                plan.padding = u8::try_from(longest - plan.length).unwrap_or(0);
            }
        }
        longest + tag
    }
}

/// Writes and seals one packet at the start of `space` and says how long it is.
fn seal(
    plan: &Plan,
    egress: &mut Egress,
    slot: &mut Slot,
    sealer: &Sealer,
    publications: &Arena<Publication>,
    send_time: u32,
    space: &mut [u8],
) -> Option<usize> {
    let sent = slot.responder()?.get_mut(plan.pending.seq)?;
    if !sent.is_sealed {
        sent.is_sealed = true;
        sent.send_time = send_time;
        sent.padding = plan.padding;
        sent.transport_seq = egress.next_transport_seq();
    }
    let mut sent = *sent;
    let found = publications.get(sent.publication)?.cache()?.get(sent.cached)?;
    let (ssrc, pt, seq) = match plan.rtx_pt {
        Some(pt) => {
            sent.padding = 0;
            sent.send_time = send_time;
            sent.transport_seq = egress.next_transport_seq();
            (slot.rtx_ssrc, pt, slot.next_rtx_seq())
        }
        None => (slot.ssrc, sent.pt, sent.seq),
    };
    let length = write(space, plan, slot, &sent, &found, (ssrc, pt, seq))?;
    slot.packets = slot.packets.wrapping_add(1);
    slot.octets = slot.octets.wrapping_add(u32::try_from(found.payload.len()).unwrap_or(0));
    Some(sealer.seal_rtp(space, length, seq.0))
}

/// How long a packet will be; `None` when it is not known any more.
fn plan_packet(
    pending: Pending,
    slots: &mut [Slot],
    publications: &Arena<Publication>,
) -> Option<Plan> {
    let slot = slots.get_mut(usize::from(pending.slot))?;
    let sent = slot.responder()?.get(pending.seq)?;
    let (publication, cached, pt, padding) = (sent.publication, sent.cached, sent.pt, sent.padding);
    let rtx_pt = if pending.is_repeat { slot.rtx_pt(pt) } else { None };
    let found = publications.get(publication)?.cache()?.get(cached)?;
    let has_level = found.packet.audio_level.is_some();
    let header = FIXED_HEADER + extension_block(slot, has_level, found.dependency.len());
    let extra = if rtx_pt.is_some() { rtx::OSN } else { usize::from(padding) };
    Some(Plan {
        pending,
        rtx_pt,
        can_pad: !pending.is_repeat && slot.kind == MediaKind::Video,
        header,
        length: header + extra + found.payload.len(),
        padding,
    })
}

/// Whether the one-byte form of RFC 8285 cannot hold what is to be written.
fn needs_two_bytes(slot: &Slot, dependency: usize) -> bool {
    slot.needs_two_bytes
        || (dependency > 16 && slot.extensions.id(Extension::DependencyDescriptor).is_some())
}

/// The length of the extension block: the same sum that [`write()`] writes.
fn extension_block(slot: &Slot, has_level: bool, dependency: usize) -> usize {
    let head = if needs_two_bytes(slot, dependency) { 2 } else { 1 };
    let has = |extension| slot.extensions.id(extension).is_some();
    let mut length = 0;
    if has(Extension::Mid) {
        length += head + slot.mid.0.len();
    }
    if has(Extension::AbsSendTime) {
        length += head + 3;
    }
    if has(Extension::TransportCc) {
        length += head + 2;
    }
    if has_level && has(Extension::AudioLevel) {
        length += head + 1;
    }
    if dependency > 0 && has(Extension::DependencyDescriptor) {
        length += head + dependency;
    }
    if length == 0 { 0 } else { BLOCK_HEADER + length.next_multiple_of(4) }
}

/// Writes one packet without its tag.
fn write(
    space: &mut [u8],
    plan: &Plan,
    slot: &Slot,
    sent: &Sent,
    found: &Found<'_>,
    (ssrc, pt, seq): (Ssrc, Pt, SeqNo),
) -> Option<usize> {
    let is_rtx = plan.rtx_pt.is_some();
    let osn = if is_rtx { rtx::OSN } else { 0 };
    let payload_at = plan.header + osn;
    let padding_at = payload_at + found.payload.len();
    let end = padding_at + usize::from(sent.padding);
    if end + RTP_OVERHEAD > space.len() {
        return None;
    }

    let fixed = FixedHeader {
        marker: found.packet.marker,
        pt,
        seq: seq.truncate(),
        timestamp: sent.timestamp,
        ssrc,
        has_extensions: plan.header > FIXED_HEADER,
        has_padding: sent.padding > 0,
    };
    space[..FIXED_HEADER].copy_from_slice(&fixed.encode());
    if plan.header > FIXED_HEADER {
        let two_bytes = needs_two_bytes(slot, found.dependency.len());
        let mut block = ExtensionWriter::new(&mut space[FIXED_HEADER..plan.header], two_bytes);
        if let Some(id) = slot.extensions.id(Extension::Mid) {
            block.push(id, slot.mid.0.as_bytes());
        }
        if let Some(id) = slot.extensions.id(Extension::AbsSendTime) {
            block.push(id, &sent.send_time.to_be_bytes()[1..]);
        }
        if let Some(id) = slot.extensions.id(Extension::TransportCc) {
            block.push(id, &sent.transport_seq.to_be_bytes());
        }
        if let (Some(level), Some(id)) =
            (found.packet.audio_level, slot.extensions.id(Extension::AudioLevel))
        {
            block.push(id, &[level]);
        }
        if let Some(id) = slot.extensions.id(Extension::DependencyDescriptor)
            && !found.dependency.is_empty()
        {
            block.push(id, found.dependency);
        }
        block.finish();
    }

    if is_rtx {
        space[plan.header..payload_at].copy_from_slice(&rtx::prefix(sent.seq.truncate()));
    }
    space[payload_at..padding_at].copy_from_slice(found.payload);
    if let Some(vp8) = found.packet.vp8 {
        vp8.overwrite(&mut space[payload_at..padding_at], sent.picture_id, sent.tl0);
    }
    if sent.padding > 0 {
        space[padding_at..end].fill(0);
        space[end - 1] = sent.padding;
    }
    Some(end)
}

#[cfg(test)]
mod tests;
