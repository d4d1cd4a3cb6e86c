//! RTCP: what participants tell us, and what is due to them now and then.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::arena::{Arena, Key};
use crate::codec;
use crate::egress::Pending;
use crate::participant::Participant;
use crate::publication::Publication;
use crate::reception::{self, SenderReport};
use crate::rtp::rtcp::{self, Message, ReportBlock};
use crate::rtp::seq::rtp_units;
use crate::rtp::{RtpTime, SeqNo16, Ssrc};
use crate::sdp::Extension;
use crate::shard::Shard;
use crate::transport::srtp::RTCP_OVERHEAD;
use crate::twcc::FEEDBACK_INTERVAL;

/// How often sender and receiver reports are sent.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How often simulcast layers are compared.
const LAYERS_TICK: Duration = Duration::from_secs(1);
/// A compound is sent when it has this many bytes, so that it fits a datagram.
const COMPOUND_BYTES: usize = 1_000;
/// Report blocks of one participant in one round: as many as one member holds.
const BLOCKS: usize = 31;

impl Shard {
    pub(crate) fn handle_rtcp(&mut self, source: SocketAddr, bytes: &mut [u8]) {
        let now = self.now;
        let Some(key) = self.addresses.get(&source).copied() else {
            self.stats.dropped_unknown += 1;
            return;
        };
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(transport) = &mut participant.transport else { return };
        let opened = transport.srtp.as_mut().and_then(|srtp| srtp.opener.open_rtcp(bytes).ok());
        let Some(length) = opened else {
            self.stats.dropped_srtp += 1;
            return;
        };
        transport.ice.heard(now);
        let our_ntp = self.ntp();
        let malformed = rtcp::read(&bytes[..length], |message| match message {
            Message::SenderReport { ssrc, ntp, timestamp } => {
                self.note_sender_report(key, ssrc, ntp, timestamp, our_ntp);
            }
            Message::Report(block) => self.note_report(key, block, our_ntp),
            Message::Nack { media, first, bitmap } => self.repeat(key, media, first, bitmap),
            Message::KeyframeRequest { media } => self.request_keyframe(key, media),
            // A publication ends by signaling; a stream that merely stops may go on.
            Message::Bye { .. } => {}
        });
        self.stats.dropped_malformed += malformed as u64;
    }

    fn note_sender_report(
        &mut self,
        key: Key<Participant>,
        ssrc: Ssrc,
        ntp: u64,
        timestamp: RtpTime,
        our_ntp: u64,
    ) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(stream) = participant.streams.iter().find(|stream| stream.ssrc == ssrc) else {
            return;
        };
        let Some(publication) = self.publications.get_mut(stream.publication) else { return };
        let Some(layer) = publication.layers.get_mut(stream.layer).filter(|_| !stream.is_rtx)
        else {
            return;
        };
        let received_at = self.now;
        layer.reception.sender_report = Some(SenderReport { ntp, timestamp, received_at });
        // The report that was fastest on its way tells best how the clocks differ. One value for
        // all of a participant's tracks keeps its picture and its voice together.
        let offset = our_ntp.wrapping_sub(ntp).cast_signed();
        let fastest = participant.clock_offset.map_or(offset, |known| known.min(offset));
        participant.clock_offset = Some(fastest);
    }

    fn note_report(&mut self, key: Key<Participant>, block: ReportBlock, our_ntp: u64) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if block.last_sr == 0 || !participant.slots.iter().any(|slot| slot.ssrc == block.ssrc) {
            return;
        }
        // RFC 3550, section 6.4.1: now, minus when the report was sent, minus how long it was kept.
        let units = reception::middle(our_ntp)
            .wrapping_sub(block.last_sr)
            .wrapping_sub(block.delay_since_last_sr);
        let sample = Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16);
        if sample > Duration::from_secs(10) {
            return;
        }
        participant.round_trip =
            Some(participant.round_trip.map_or(sample, |known| (known * 7 + sample) / 8));
    }

    fn repeat(&mut self, key: Key<Participant>, media: Ssrc, first: SeqNo16, bitmap: u16) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let round_trip = participant.round_trip.unwrap_or_default();
        let Some(at) = participant.slots.iter().position(|slot| slot.ssrc == media) else { return };
        let now = self.now;
        for bit in 0..=16_u16 {
            if bit > 0 && bitmap & (1 << (bit - 1)) == 0 {
                continue;
            }
            self.stats.nacks_received += 1;
            let slot = &mut participant.slots[at];
            let seq = slot.rewriter().highest().nearest(SeqNo16(first.0.wrapping_add(bit)));
            let repeats =
                slot.responder().is_some_and(|responder| responder.repeat(seq, round_trip, now));
            if repeats {
                self.stats.retransmitted += 1;
                let pending = Pending::repeat(at, seq);
                participant.enqueue(key, pending, &mut self.ready, &mut self.stats);
            } else {
                self.stats.not_retransmitted += 1;
            }
        }
    }

    fn request_keyframe(&mut self, key: Key<Participant>, media: Ssrc) {
        let Some(participant) = self.participants.get(key) else { return };
        let Some(slot) = participant.slots.iter().find(|slot| slot.ssrc == media) else { return };
        self.stats.keyframe_requests_received += 1;
        if let Some(publication) = slot.carries.and_then(|key| self.publications.get_mut(key)) {
            publication.keyframes.want();
        }
    }

    /// Everything that is due, for everybody.
    pub(crate) fn tick_reports(&mut self) {
        let now = self.now;
        if self.layers_due <= now {
            self.layers_due = now + LAYERS_TICK;
            for place in 0..self.publications.places() {
                if let Some(publication) =
                    self.publications.key_at(place).and_then(|key| self.publications.get_mut(key))
                {
                    publication.compare_layers(now);
                }
            }
        }
        for place in 0..self.participants.places() {
            if let Some(key) = self.participants.key_at(place) {
                self.report_to(key);
            }
        }
        self.tick_speakers();
    }

    /// What is due to one participant.
    fn report_to(&mut self, key: Key<Participant>) {
        let now = self.now;
        let Some(participant) = self.participants.get_mut(key).filter(|one| one.is_open) else {
            return;
        };
        let is_feedback_due = participant.feedback_due <= now;
        if is_feedback_due {
            participant.feedback_due = now + FEEDBACK_INTERVAL;
        }
        let is_report_due = participant.report_due <= now;
        if is_report_due {
            participant.report_due = now + REPORT_INTERVAL;
        }
        self.rtcp.clear();
        if is_report_due {
            self.write_reports(key);
        }
        self.write_requests(key);
        if is_feedback_due {
            self.write_feedback(key);
        }
        self.send_compound(key);
    }

    /// Receiver reports on what the participant publishes, sender reports on what it is sent.
    fn write_reports(&mut self, key: Key<Participant>) {
        let now = self.now;
        let ntp = self.ntp();
        let Some(participant) = self.participants.get(key) else { return };
        let mut blocks = [NO_BLOCK; BLOCKS];
        let mut count = 0;
        for publication in &participant.publications {
            let Some(publication) = self.publications.get_mut(*publication) else { continue };
            for layer in &mut publication.layers {
                if let Some(block) = layer.ssrc.and_then(|ssrc| layer.reception.report(ssrc, now))
                    && count < BLOCKS
                {
                    blocks[count] = block;
                    count += 1;
                }
            }
        }
        let mut writes_name = count > 0;
        if count > 0 {
            self.rtcp.receiver_report(participant.ssrc, &blocks[..count]);
        }
        for slot in 0..participant.slots.len() {
            let Some(participant) = self.participants.get(key) else { return };
            let slot = &participant.slots[slot];
            if slot.packets == 0 || slot.is_waiting() {
                continue;
            }
            let Some(publication) = slot.carries.and_then(|key| self.publications.get(key)) else {
                continue;
            };
            let Some(source_now) = source_time(publication, &self.participants, ntp, now) else {
                continue;
            };
            let timestamp = slot.rewriter().timestamp(source_now);
            self.rtcp.sender_report(slot.ssrc, ntp, timestamp, slot.packets, slot.octets);
            writes_name = true;
            if self.rtcp.bytes().len() > COMPOUND_BYTES {
                self.send_compound(key);
            }
        }
        if writes_name && let Some(participant) = self.participants.get(key) {
            self.rtcp.source_description(participant.ssrc, &participant.cname);
        }
    }

    /// What the participant is to send again: packets and keyframes.
    fn write_requests(&mut self, key: Key<Participant>) {
        let now = self.now;
        let Some(participant) = self.participants.get(key) else { return };
        let (us, round_trip) = (participant.ssrc, participant.round_trip());
        let interval = self.config.limits.keyframe_interval;
        for at in 0..participant.publications.len() {
            let Some(publication) = self
                .participants
                .get(key)
                .and_then(|participant| participant.publications.get(at))
                .and_then(|key| self.publications.get_mut(*key))
            else {
                continue;
            };
            let feedback = publication.feedback();
            for layer in &mut publication.layers {
                self.due.clear();
                if feedback.nack {
                    layer.nack.collect_due(round_trip, now, &mut self.due);
                } else {
                    layer.nack.expire(now);
                }
                self.stats.lost += layer.nack.take_given_up();
                if let Some(ssrc) = layer.ssrc.filter(|_| !self.due.is_empty()) {
                    self.stats.nacks_sent += self.due.len() as u64;
                    self.rtcp.nack(us, ssrc, &self.due);
                }
            }
            let can_ask = (feedback.pli || feedback.fir) && !publication.is_muted;
            // A sender that is silent, like that of a screen on which nothing moves, is asked rarely.
            let patience = if publication.is_sent(now) { 1 } else { 10 };
            if can_ask && publication.keyframes.poll(interval * patience, now) {
                let command = publication.next_fir();
                for ssrc in publication.layers.iter().filter_map(|layer| layer.ssrc) {
                    self.stats.keyframes_requested += 1;
                    if feedback.pli {
                        self.rtcp.pli(us, ssrc);
                    } else {
                        self.rtcp.fir(us, ssrc, command);
                    }
                }
            }
            if self.rtcp.bytes().len() > COMPOUND_BYTES {
                self.send_compound(key);
            }
        }
    }

    /// Transport-wide feedback.
    fn write_feedback(&mut self, key: Key<Participant>) {
        loop {
            let Some(participant) = self.participants.get_mut(key) else { return };
            if participant.extensions.id(Extension::TransportCc).is_none() {
                return;
            }
            let media = participant.streams.first().map_or(Ssrc(0), |stream| stream.ssrc);
            let us = participant.ssrc;
            let Some(transport) = &mut participant.transport else { return };
            if !transport.twcc.write(&mut self.body) {
                return;
            }
            self.rtcp.transport_cc(us, media, &self.body);
            if self.rtcp.bytes().len() > COMPOUND_BYTES {
                self.send_compound(key);
            }
        }
    }

    /// Seals and queues what was written, if anything.
    fn send_compound(&mut self, key: Key<Participant>) {
        let compound = self.rtcp.bytes();
        if compound.is_empty() {
            return;
        }
        if let Some(transport) =
            self.participants.get_mut(key).and_then(|participant| participant.transport.as_mut())
            && let Some(route) = transport.route()
            && let Some(srtp) = &mut transport.srtp
        {
            let length = compound.len();
            let is_queued = self.control.push_with(route, length + RTCP_OVERHEAD, |space| {
                space[..length].copy_from_slice(compound);
                srtp.sealer.seal_rtcp(space, length)
            });
            if !is_queued {
                self.stats.dropped_control_full += 1;
            }
        }
        self.rtcp.clear();
    }

    /// Our clock as NTP counts: 32 bits of seconds, 32 of fractions. It begins anywhere, which
    /// RFC 3550, section 4 allows; only differences matter.
    fn ntp(&self) -> u64 {
        const BASE_SECONDS: u64 = 1 << 31;
        let passed = self.now.saturating_duration_since(self.started_at);
        let fraction = (u64::from(passed.subsec_nanos()) << 32) / 1_000_000_000;
        ((BASE_SECONDS + passed.as_secs()) << 32) | fraction
    }
}

const NO_BLOCK: ReportBlock = ReportBlock {
    ssrc: Ssrc(0),
    fraction_lost: 0,
    cumulative_lost: 0,
    highest_seq: 0,
    jitter: 0,
    last_sr: 0,
    delay_since_last_sr: 0,
};

/// Which moment of the publisher's media time is now.
fn source_time(
    publication: &Publication,
    participants: &Arena<Participant>,
    our_ntp: u64,
    now: Instant,
) -> Option<RtpTime> {
    let clock_hz = codec::clock_hz(publication.kind());
    let reception = &publication.current_layer().reception;
    let offset = participants.get(publication.owner).and_then(|owner| owner.clock_offset);
    if let (Some(report), Some(offset)) = (reception.sender_report, offset) {
        let theirs = our_ntp.wrapping_sub(offset.cast_unsigned());
        let since = theirs.wrapping_sub(report.ntp).cast_signed();
        let units = (i128::from(since) * i128::from(clock_hz)) >> 32;
        // Media time is modular.
        return Some(report.timestamp.plus(units as u32));
    }
    let (timestamp, at) = reception.newest()?;
    Some(timestamp.plus(rtp_units(now.saturating_duration_since(at), clock_hz)))
}
