//! What a receiver report says of one incoming stream (RFC 3550, section 6.4.1 and appendix A).

use std::time::{Duration, Instant};

use crate::rtp::rtcp::ReportBlock;
use crate::rtp::seq::rtp_units;
use crate::rtp::{RtpTime, SeqNo, SeqNo16, Ssrc};

/// The last sender report of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderReport {
    pub(crate) ntp: u64,
    pub(crate) timestamp: RtpTime,
    pub(crate) received_at: Instant,
}

/// Counts one incoming stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reception {
    first: Option<SeqNo>,
    highest: Option<SeqNo>,
    received: u64,
    expected_before: u64,
    received_before: u64,
    /// Of RFC 3550, appendix A.8, times 16.
    jitter: u32,
    newest: Option<(RtpTime, Instant)>,
    pub(crate) sender_report: Option<SenderReport>,
}

impl Reception {
    /// Notes a packet that came as itself, not as a retransmission.
    pub(crate) fn note(&mut self, seq: SeqNo16, timestamp: RtpTime, clock_hz: u32, now: Instant) {
        let seq = self.highest.map_or_else(|| SeqNo::first(seq), |highest| highest.nearest(seq));
        self.first.get_or_insert(seq);
        self.received += 1;
        if self.highest.is_none_or(|highest| seq > highest) {
            self.highest = Some(seq);
        }
        if let Some((before, at)) = self.newest {
            let passed = rtp_units(now.saturating_duration_since(at), clock_hz).cast_signed();
            let transit = passed.wrapping_sub(timestamp.after(before)).unsigned_abs();
            // Muting and clock jumps are not jitter.
            if transit < clock_hz {
                self.jitter = self.jitter + transit - ((self.jitter + 8) >> 4);
            }
        }
        self.newest = Some((timestamp, now));
    }

    /// The newest packet's time, and when it came.
    pub(crate) fn newest(&self) -> Option<(RtpTime, Instant)> {
        self.newest
    }

    /// The block of the next report, if anything came at all.
    pub(crate) fn report(&mut self, ssrc: Ssrc, now: Instant) -> Option<ReportBlock> {
        let (first, highest) = (self.first?, self.highest?);
        let expected = highest.0.saturating_sub(first.0) + 1;
        let expected_now = expected - self.expected_before;
        let received_now = self.received - self.received_before;
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction_lost = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255);
        let lost = i64::try_from(expected).ok()? - i64::try_from(self.received).ok()?;
        let (last_sr, delay_since_last_sr) = self.sender_report.map_or((0, 0), |report| {
            (middle(report.ntp), short_time(now.saturating_duration_since(report.received_at)))
        });
        Some(ReportBlock {
            ssrc,
            fraction_lost: u8::try_from(fraction_lost).unwrap_or(255),
            cumulative_lost: i32::try_from(lost).unwrap_or(i32::MAX),
            highest_seq: (highest.0 & 0xffff_ffff) as u32,
            jitter: self.jitter >> 4,
            last_sr,
            delay_since_last_sr,
        })
    }
}

/// The middle 32 bits of an NTP time.
pub(crate) fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A duration in 1/65536 seconds.
pub(crate) fn short_time(duration: Duration) -> u32 {
    rtp_units(duration, 1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_reported_since_the_last_report_and_in_all() {
        let start = Instant::now();
        let mut reception = Reception::default();
        assert_eq!(reception.report(Ssrc(1), start), None);
        for seq in [65_534, 65_535, 1, 2] {
            reception.note(SeqNo16(seq), RtpTime(0), 90_000, start);
        }
        let report = reception.report(Ssrc(1), start).expect("packets came");
        assert_eq!((report.fraction_lost, report.cumulative_lost), (51, 1));
        assert_eq!(report.highest_seq & 0xffff, 2);
        reception.note(SeqNo16(3), RtpTime(0), 90_000, start);
        let report = reception.report(Ssrc(1), start).expect("packets came");
        assert_eq!((report.fraction_lost, report.cumulative_lost), (0, 1));
    }

    #[test]
    fn steady_packets_have_no_jitter_and_unsteady_ones_do() {
        let start = Instant::now();
        let mut reception = Reception::default();
        for packet in 0..100_u32 {
            let at = start + Duration::from_millis(20) * packet;
            let seq = SeqNo16(u16::try_from(packet).expect("few"));
            reception.note(seq, RtpTime(packet * 960), 48_000, at);
        }
        assert_eq!(reception.report(Ssrc(1), start).expect("packets came").jitter, 0);
        for packet in 100..200_u32 {
            let late = Duration::from_millis(if packet % 2 == 0 { 10 } else { 0 });
            let at = start + Duration::from_millis(20) * packet + late;
            let seq = SeqNo16(u16::try_from(packet).expect("few"));
            reception.note(seq, RtpTime(packet * 960), 48_000, at);
        }
        let jitter = reception.report(Ssrc(1), start).expect("packets came").jitter;
        assert!((400..=480).contains(&jitter), "{jitter}");
    }

    #[test]
    fn a_report_says_how_old_the_last_sender_report_is() {
        let start = Instant::now();
        let mut reception = Reception::default();
        reception.note(SeqNo16(1), RtpTime(0), 48_000, start);
        reception.sender_report = Some(SenderReport {
            ntp: 0x1111_2222_3333_4444,
            timestamp: RtpTime(0),
            received_at: start,
        });
        let report = reception.report(Ssrc(1), start + Duration::from_millis(500));
        let report = report.expect("packets came");
        assert_eq!((report.last_sr, report.delay_since_last_sr), (0x2222_3333, 1 << 15));
    }
}
