//! RTCP, read and written by hand: no allocation, and a malformed member costs only itself.
//!
//! What we act on is sender and receiver reports (RFC 3550, section 6.4), generic NACK and PLI
//! (RFC 4585, sections 6.2.1 and 6.3.1), FIR (RFC 5104, section 4.3.1) and BYE.

use super::packet::Ssrc;
use super::seq::{RtpTime, SeqNo16};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

const FMT_NACK: u8 = 1;
/// Transport-wide feedback.
const FMT_TRANSPORT_CC: u8 = 15;
const FMT_PLI: u8 = 1;
const FMT_FIR: u8 = 4;

/// One thing a compound says. Lists come one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A sender says which moment of its wall clock a timestamp is.
    SenderReport {
        ssrc: Ssrc,
        ntp: u64,
        timestamp: RtpTime,
    },
    /// A receiver says how one of our streams arrived.
    Report(ReportBlock),
    /// Packets missing of one stream: `first` and those whose bits are set after it.
    Nack {
        media: Ssrc,
        first: SeqNo16,
        bitmap: u16,
    },
    /// A decoder needs a keyframe; FIR and PLI ask the same of us.
    KeyframeRequest {
        media: Ssrc,
    },
    Bye {
        ssrc: Ssrc,
    },
}

/// What a receiver says of one stream (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportBlock {
    pub ssrc: Ssrc,
    /// Of 256, since the previous report.
    pub fraction_lost: u8,
    /// 24 bits, signed.
    pub cumulative_lost: i32,
    pub highest_seq: u32,
    /// In units of the codec's clock.
    pub jitter: u32,
    /// The middle half of the NTP time of the last sender report; zero when there was none.
    pub last_sr: u32,
    /// In 1/65536 seconds.
    pub delay_since_last_sr: u32,
}

const REPORT_BLOCK: usize = 24;

/// Calls `each` for every message of a compound we act on; returns how many members could not be
/// read. A length beyond the end leaves no way to find the next member and ends the reading.
pub fn read(compound: &[u8], mut each: impl FnMut(Message)) -> usize {
    let mut rest = compound;
    let mut malformed = 0;
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
        let Some(mut body) = after.get(..length) else { return malformed + 1 };
        rest = &after[length..];
        if head[0] >> 6 != 2 {
            malformed += 1;
            continue;
        }
        if head[0] & 0x20 != 0 {
            let padding = body.last().map_or(0, |length| usize::from(*length));
            let Some(end) = body.len().checked_sub(padding) else {
                malformed += 1;
                continue;
            };
            body = &body[..end];
        }
        if member(head[1], head[0] & 0x1f, body, &mut each).is_none() {
            malformed += 1;
        }
    }
    malformed + usize::from(!rest.is_empty())
}

/// One member of a compound; `None` when it is shorter than it must be.
fn member(kind: u8, count: u8, body: &[u8], each: &mut impl FnMut(Message)) -> Option<()> {
    match (kind, count) {
        (SENDER_REPORT, _) => {
            let info = body.first_chunk::<24>()?;
            each(Message::SenderReport {
                ssrc: Ssrc(word(info, 0)?),
                ntp: (u64::from(word(info, 4)?) << 32) | u64::from(word(info, 8)?),
                timestamp: RtpTime(word(info, 12)?),
            });
            report_blocks(count, &body[24..], each)
        }
        (RECEIVER_REPORT, _) => report_blocks(count, body.get(4..)?, each),
        (BYE, _) => {
            for index in 0..usize::from(count) {
                each(Message::Bye { ssrc: Ssrc(word(body, index * 4)?) });
            }
            Some(())
        }
        (TRANSPORT_FEEDBACK, FMT_NACK) => {
            let media = Ssrc(word(body, 4)?);
            for item in body.get(8..)?.chunks_exact(4) {
                let first = SeqNo16(u16::from_be_bytes([item[0], item[1]]));
                let bitmap = u16::from_be_bytes([item[2], item[3]]);
                each(Message::Nack { media, first, bitmap });
            }
            Some(())
        }
        (PAYLOAD_FEEDBACK, FMT_PLI) => {
            each(Message::KeyframeRequest { media: Ssrc(word(body, 4)?) });
            Some(())
        }
        (PAYLOAD_FEEDBACK, FMT_FIR) => {
            for item in body.get(8..)?.chunks_exact(8) {
                each(Message::KeyframeRequest { media: Ssrc(word(item, 0)?) });
            }
            Some(())
        }
        // SDES, APP, XR, REMB, transport-wide feedback and whatever comes later: not for us.
        _ => Some(()),
    }
}

fn report_blocks(count: u8, body: &[u8], each: &mut impl FnMut(Message)) -> Option<()> {
    for index in 0..usize::from(count) {
        let block = body.get(index * REPORT_BLOCK..(index + 1) * REPORT_BLOCK)?;
        let lost = word(block, 4)?;
        each(Message::Report(ReportBlock {
            ssrc: Ssrc(word(block, 0)?),
            fraction_lost: (lost >> 24) as u8,
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            highest_seq: word(block, 8)?,
            jitter: word(block, 12)?,
            last_sr: word(block, 16)?,
            delay_since_last_sr: word(block, 20)?,
        }));
    }
    Some(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Writes one compound, member by member, into a buffer that is kept between compounds.
#[derive(Debug, Default)]
pub struct RtcpWriter {
    bytes: Vec<u8>,
}

impl RtcpWriter {
    /// What was written since [`RtcpWriter::clear`].
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// A sender report without report blocks (RFC 3550, section 6.4.1).
    pub fn sender_report(
        &mut self,
        ssrc: Ssrc,
        ntp: u64,
        timestamp: RtpTime,
        packets: u32,
        octets: u32,
    ) {
        self.member(SENDER_REPORT, 0, |bytes| {
            put(bytes, ssrc.0);
            bytes.extend_from_slice(&ntp.to_be_bytes());
            put(bytes, timestamp.0);
            put(bytes, packets);
            put(bytes, octets);
        });
    }

    /// A receiver report (RFC 3550, section 6.4.2). At most 31 blocks fit; the rest is left out.
    #[expect(clippy::cast_possible_truncation, reason = "at most 31 blocks")]
    pub fn receiver_report(&mut self, sender: Ssrc, blocks: &[ReportBlock]) {
        let blocks = &blocks[..blocks.len().min(31)];
        self.member(RECEIVER_REPORT, blocks.len() as u8, |bytes| {
            put(bytes, sender.0);
            for block in blocks {
                let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned();
                put(bytes, block.ssrc.0);
                put(bytes, (u32::from(block.fraction_lost) << 24) | (lost & 0xff_ffff));
                put(bytes, block.highest_seq);
                put(bytes, block.jitter);
                put(bytes, block.last_sr);
                put(bytes, block.delay_since_last_sr);
            }
        });
    }

    /// Our canonical name (RFC 3550, section 6.5.1). At most 255 bytes of it.
    #[expect(clippy::cast_possible_truncation, reason = "cut to 255 just before")]
    pub fn source_description(&mut self, ssrc: Ssrc, cname: &str) {
        let name = &cname.as_bytes()[..cname.len().min(255)];
        self.member(SOURCE_DESCRIPTION, 1, |bytes| {
            put(bytes, ssrc.0);
            bytes.extend_from_slice(&[1, name.len() as u8]);
            bytes.extend_from_slice(name);
            // The list of items ends with one to four zero bytes.
            bytes.push(0);
            while bytes.len() % 4 != 0 {
                bytes.push(0);
            }
        });
    }

    /// Asks for packets again (RFC 4585, section 6.2.1). `missing` is ascending.
    pub fn nack(&mut self, sender: Ssrc, media: Ssrc, missing: &[SeqNo16]) {
        self.member(TRANSPORT_FEEDBACK, FMT_NACK, |bytes| {
            put(bytes, sender.0);
            put(bytes, media.0);
            let mut rest = missing;
            while let Some((first, after)) = rest.split_first() {
                let mut bitmap = 0_u16;
                rest = after;
                while let Some((next, after)) = rest.split_first() {
                    let distance = next.after(*first);
                    if !(1..=16).contains(&distance) {
                        break;
                    }
                    bitmap |= 1 << (distance - 1);
                    rest = after;
                }
                bytes.extend_from_slice(&first.0.to_be_bytes());
                bytes.extend_from_slice(&bitmap.to_be_bytes());
            }
        });
    }

    /// Asks for a keyframe (RFC 4585, section 6.3.1).
    pub fn pli(&mut self, sender: Ssrc, media: Ssrc) {
        self.member(PAYLOAD_FEEDBACK, FMT_PLI, |bytes| {
            put(bytes, sender.0);
            put(bytes, media.0);
        });
    }

    /// Asks for a keyframe of a peer that has no PLI (RFC 5104, section 4.3.1.1).
    pub fn fir(&mut self, sender: Ssrc, media: Ssrc, command: u8) {
        self.member(PAYLOAD_FEEDBACK, FMT_FIR, |bytes| {
            put(bytes, sender.0);
            // The header's media source is unused and zero (RFC 5104, section 4.3.1.2).
            put(bytes, 0);
            put(bytes, media.0);
            bytes.extend_from_slice(&[command, 0, 0, 0]);
        });
    }

    /// Transport-wide feedback; `body` is what stands after the two SSRCs.
    pub fn transport_cc(&mut self, sender: Ssrc, media: Ssrc, body: &[u8]) {
        self.member(TRANSPORT_FEEDBACK, FMT_TRANSPORT_CC, |bytes| {
            put(bytes, sender.0);
            put(bytes, media.0);
            bytes.extend_from_slice(body);
        });
    }

    /// A member's header, its body, padding to a whole word by the writer of the body if needed.
    #[expect(clippy::cast_possible_truncation, reason = "members are far below 2^16 words")]
    fn member(&mut self, kind: u8, count: u8, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0x80 | count, kind, 0, 0]);
        body(&mut self.bytes);
        let unpadded = self.bytes.len() - start;
        let padding = unpadded.next_multiple_of(4) - unpadded;
        if padding > 0 {
            self.bytes[start] |= 0x20;
            self.bytes.resize(self.bytes.len() + padding, 0);
            if let Some(last) = self.bytes.last_mut() {
                *last = padding as u8;
            }
        }
        let words = (self.bytes.len() - start) / 4 - 1;
        self.bytes[start + 2..start + 4].copy_from_slice(&(words as u16).to_be_bytes());
    }
}

fn put(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend_from_slice(&word.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(compound: &[u8]) -> (Vec<Message>, usize) {
        let mut found = Vec::new();
        let malformed = read(compound, |message| found.push(message));
        (found, malformed)
    }

    fn compound() -> RtcpWriter {
        let mut writer = RtcpWriter::default();
        writer.sender_report(Ssrc(1), 0x1122_3344_5566_7788, RtpTime(99), 5, 6);
        writer.source_description(Ssrc(1), "confer");
        writer.nack(Ssrc(1), Ssrc(2), &[10, 11, 26, 27, 65_535].map(SeqNo16));
        writer.pli(Ssrc(1), Ssrc(3));
        writer.fir(Ssrc(1), Ssrc(4), 7);
        writer
    }

    #[test]
    fn every_member_is_read_as_it_was_written() {
        let (found, malformed) = messages(compound().bytes());
        assert_eq!(malformed, 0);
        assert_eq!(
            found,
            [
                Message::SenderReport {
                    ssrc: Ssrc(1),
                    ntp: 0x1122_3344_5566_7788,
                    timestamp: RtpTime(99)
                },
                Message::Nack { media: Ssrc(2), first: SeqNo16(10), bitmap: 0b1000_0000_0000_0001 },
                Message::Nack { media: Ssrc(2), first: SeqNo16(27), bitmap: 0 },
                Message::Nack { media: Ssrc(2), first: SeqNo16(65_535), bitmap: 0 },
                Message::KeyframeRequest { media: Ssrc(3) },
                Message::KeyframeRequest { media: Ssrc(4) },
            ]
        );
    }

    #[test]
    fn a_report_keeps_negative_loss() {
        let block = ReportBlock {
            ssrc: Ssrc(8),
            fraction_lost: 3,
            cumulative_lost: -2,
            highest_seq: 70_000,
            jitter: 4,
            last_sr: 5,
            delay_since_last_sr: 6,
        };
        let mut writer = RtcpWriter::default();
        writer.receiver_report(Ssrc(1), &[block]);
        assert_eq!(messages(writer.bytes()).0, [Message::Report(block)]);
    }

    #[test]
    fn a_malformed_member_costs_only_itself() {
        let mut bytes = vec![0x81, PAYLOAD_FEEDBACK, 0, 1, 0, 0, 0, 1];
        bytes.extend_from_slice(compound().bytes());
        let (found, malformed) = messages(&bytes);
        assert_eq!((found.len(), malformed), (6, 1));
    }

    #[test]
    fn no_cut_of_a_compound_is_read_beyond_its_end() {
        let writer = compound();
        for length in 0..writer.bytes().len() {
            let _ = messages(&writer.bytes()[..length]);
        }
    }
}
