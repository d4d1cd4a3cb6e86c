//! Transport-wide feedback to publishers: when each of their packets came
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).
//!
//! A browser's bandwidth estimate stands or falls with it: without timely feedback it stays at
//! some hundred kbit/s for ever.

use std::time::{Duration, Instant};

/// How often feedback is sent while packets come.
pub(crate) const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);
/// Packets whose arrival is remembered: a second of 12 Mbit/s.
const WINDOW: u64 = 1_024;
/// Packets one message reports at most, so that it fits a datagram whatever the deltas are.
const REPORTED: u64 = 400;

/// Deltas are counted in units of 250 µs.
const DELTA_MICROS: u128 = 250;
/// The reference time is counted in units of 64 ms, 256 deltas.
const DELTAS_PER_REFERENCE: i64 = 256;

/// The longest run a chunk of the first kind describes.
const LONGEST_RUN: usize = 0x1fff;
/// Symbols in a chunk of the second kind with two bits each.
const VECTOR: usize = 7;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Symbol {
    Lost = 0,
    /// The delta is one byte.
    Small = 1,
    /// The delta is two bytes, signed.
    Large = 2,
}

/// Notes arrivals on one transport.
pub(crate) struct TwccRecorder {
    started_at: Instant,
    /// Arrival in units of 250 µs since the start plus one; zero is "did not come".
    arrivals: Box<[u64; WINDOW as usize]>,
    highest: Option<u64>,
    /// The first packet the next message reports.
    next: u64,
    has_news: bool,
    count: u8,
}

impl TwccRecorder {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            started_at: now,
            arrivals: Box::new([0; WINDOW as usize]),
            highest: None,
            next: 0,
            has_news: false,
            count: 0,
        }
    }

    /// Notes that the packet with this transport-wide sequence number came.
    pub(crate) fn note(&mut self, seq: u16, now: Instant) {
        let arrival = self.units(now) + 1;
        let Some(highest) = self.highest else {
            let seq = u64::from(seq) + (1 << 16);
            self.highest = Some(seq);
            self.next = seq;
            self.arrivals[place(seq)] = arrival;
            self.has_news = true;
            return;
        };
        let distance = i64::from(seq.wrapping_sub(highest as u16).cast_signed());
        let seq = highest.wrapping_add_signed(distance);
        if seq > highest {
            if seq - highest >= WINDOW {
                self.arrivals.fill(0);
            } else {
                for skipped in highest + 1..seq {
                    self.arrivals[place(skipped)] = 0;
                }
            }
            self.highest = Some(seq);
            self.next = self.next.max((seq + 1).saturating_sub(WINDOW));
        } else if highest - seq >= WINDOW || self.arrivals[place(seq)] != 0 {
            return;
        } else {
            // It was reported as lost: report it again from there.
            self.next = self.next.min(seq);
        }
        self.arrivals[place(seq)] = arrival;
        self.has_news = true;
    }

    /// Writes the next message's body, the part after the two SSRCs; `false` when nothing came
    /// since the last one. Call until then.
    pub(crate) fn write(&mut self, body: &mut Vec<u8>) -> bool {
        body.clear();
        let Some(highest) = self.highest.filter(|_| self.has_news) else { return false };
        // Leading losses are reported as soon as something after them came.
        let Some(first) = (self.next..=highest).find(|seq| self.arrivals[place(*seq)] != 0) else {
            self.has_news = false;
            return false;
        };
        let base = self.next.max((first + 1).saturating_sub(REPORTED));
        let reference = (self.arrivals[place(first)] - 1).cast_signed() / DELTAS_PER_REFERENCE;
        let mut symbols = [Symbol::Lost; REPORTED as usize];
        let mut deltas = [0_i16; REPORTED as usize];
        let mut reported = 0;
        let mut previous = reference * DELTAS_PER_REFERENCE;
        for seq in base..=highest.min(base + REPORTED - 1) {
            let arrival = self.arrivals[place(seq)];
            if arrival != 0 {
                let at = (arrival - 1).cast_signed();
                // A pause longer than a delta can say begins another message.
                let Ok(delta) = i16::try_from(at - previous) else { break };
                previous = at;
                deltas[reported] = delta;
                symbols[reported] =
                    if (0..=255).contains(&delta) { Symbol::Small } else { Symbol::Large };
            }
            reported += 1;
        }
        self.next = base + reported as u64;
        self.has_news = self.next <= highest;

        body.extend_from_slice(&(base as u16).to_be_bytes());
        body.extend_from_slice(&(reported as u16).to_be_bytes());
        body.extend_from_slice(&reference.to_be_bytes()[5..]);
        body.push(self.count);
        self.count = self.count.wrapping_add(1);
        write_chunks(&symbols[..reported], body);
        for (symbol, delta) in symbols[..reported].iter().zip(&deltas) {
            match symbol {
                Symbol::Lost => {}
                Symbol::Small => body.push(*delta as u8),
                Symbol::Large => body.extend_from_slice(&delta.to_be_bytes()),
            }
        }
        true
    }

    fn units(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.started_at).as_micros() / DELTA_MICROS;
        u64::try_from(passed).unwrap_or(u64::MAX - 1)
    }
}

/// Packet status chunks: runs where they pay, else seven symbols at a time (sections 3.1.3, 3.1.4).
fn write_chunks(symbols: &[Symbol], body: &mut Vec<u8>) {
    let mut rest = symbols;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take(LONGEST_RUN).take_while(|symbol| **symbol == first).count();
        let chunk = if run >= VECTOR || run == rest.len() {
            rest = &rest[run..];
            ((first as u16) << 13) | run as u16
        } else {
            let taken = rest.len().min(VECTOR);
            let mut chunk = 0xc000_u16;
            for (index, symbol) in rest[..taken].iter().enumerate() {
                chunk |= (*symbol as u16) << (2 * (VECTOR - 1 - index));
            }
            rest = &rest[taken..];
            chunk
        };
        body.extend_from_slice(&chunk.to_be_bytes());
    }
}

fn place(seq: u64) -> usize {
    (seq % WINDOW) as usize
}

#[cfg(test)]
mod tests {
    use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
    };
    use rtc_shared::marshal::Unmarshal;

    use super::*;
    use crate::rtp::Ssrc;
    use crate::rtp::rtcp::RtcpWriter;

    /// Packets reported by every message there is, in ms since the start, as an independent
    /// implementation reads them.
    fn reported(recorder: &mut TwccRecorder) -> Vec<(u16, Option<u64>)> {
        let mut all = Vec::new();
        let mut body = Vec::new();
        while recorder.write(&mut body) {
            let mut writer = RtcpWriter::default();
            writer.transport_cc(Ssrc(1), Ssrc(2), &body);
            assert!(writer.bytes().len() <= 1_200);
            let mut bytes = writer.bytes();
            let message = TransportLayerCc::unmarshal(&mut bytes).expect("readable");
            let mut symbols = Vec::new();
            for chunk in &message.packet_chunks {
                match chunk {
                    PacketStatusChunk::RunLengthChunk(run) => {
                        symbols.extend(std::iter::repeat_n(
                            run.packet_status_symbol,
                            run.run_length.into(),
                        ));
                    }
                    PacketStatusChunk::StatusVectorChunk(vector) => {
                        symbols.extend(vector.symbol_list.iter().copied());
                    }
                }
            }
            symbols.truncate(message.packet_status_count.into());
            assert_eq!(symbols.len(), usize::from(message.packet_status_count));
            let mut micros = i64::from(message.reference_time) * 64_000;
            let mut deltas = message.recv_deltas.iter();
            for (index, symbol) in symbols.iter().enumerate() {
                let seq =
                    message.base_sequence_number.wrapping_add(u16::try_from(index).expect("few"));
                let at = (*symbol != SymbolTypeTcc::PacketNotReceived).then(|| {
                    micros += deltas.next().expect("a delta each").delta;
                    u64::try_from(micros / 1_000).expect("after the start")
                });
                all.push((seq, at));
            }
            assert!(deltas.next().is_none());
        }
        all
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn arrivals_losses_and_reordering_are_read_back_by_another_implementation() {
        let start = Instant::now();
        let mut recorder = TwccRecorder::new(start);
        for (seq, at) in [(65_534, 100), (65_535, 105), (1, 110), (0, 112), (5, 300)] {
            recorder.note(seq, start + ms(at));
        }
        assert_eq!(
            reported(&mut recorder),
            [
                (65_534, Some(100)),
                (65_535, Some(105)),
                (0, Some(112)),
                (1, Some(110)),
                (2, None),
                (3, None),
                (4, None),
                (5, Some(300)),
            ]
        );
        assert!(reported(&mut recorder).is_empty());
    }

    #[test]
    fn a_packet_reported_lost_is_reported_again_when_it_comes() {
        let start = Instant::now();
        let mut recorder = TwccRecorder::new(start);
        recorder.note(10, start);
        recorder.note(12, start);
        assert_eq!(reported(&mut recorder)[1], (11, None));
        recorder.note(11, start + ms(20));
        assert_eq!(reported(&mut recorder)[0], (11, Some(20)));
    }

    #[test]
    fn long_trains_and_long_pauses_are_split() {
        let start = Instant::now();
        let mut recorder = TwccRecorder::new(start);
        for seq in 0..1_000_u16 {
            recorder.note(seq, start + ms(u64::from(seq)));
        }
        recorder.note(1_000, start + ms(60_000));
        let all = reported(&mut recorder);
        assert_eq!(all.len(), 1_001);
        for (seq, at) in &all[..1_000] {
            assert_eq!(*at, Some(u64::from(*seq)));
        }
        assert_eq!(all[1_000], (1_000, Some(60_000)));
    }

    #[test]
    fn a_jump_beyond_the_window_forgets_what_was_before() {
        let start = Instant::now();
        let mut recorder = TwccRecorder::new(start);
        recorder.note(0, start);
        recorder.note(20_000, start + ms(5));
        let all = reported(&mut recorder);
        assert_eq!(all.last(), Some(&(20_000, Some(5))));
        assert!(all.iter().all(|(seq, at)| *seq == 20_000 || at.is_none()));
    }

    #[test]
    fn every_pattern_of_loss_is_read_back() {
        let start = Instant::now();
        for pattern in 0..512_u16 {
            let mut recorder = TwccRecorder::new(start);
            let came = |seq: u16| seq == 0 || seq == 10 || pattern & (1 << (seq - 1)) != 0;
            for seq in (0..=10).filter(|seq| came(*seq)) {
                recorder.note(seq, start + ms(u64::from(seq) * 70));
            }
            let all = reported(&mut recorder);
            assert_eq!(all.len(), 11);
            for (seq, at) in all {
                assert_eq!(at, came(seq).then(|| u64::from(seq) * 70), "{pattern:b} {seq}");
            }
        }
    }
}
