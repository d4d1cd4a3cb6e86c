//! What to ask a publisher for again, and what a subscriber was sent, so that it can ask too
//! (RFC 4585, section 6.2.1).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::arena::Key;
use crate::cache::{AUDIO_PACKETS, CacheIndex, VIDEO_PACKETS};
use crate::publication::Publication;
use crate::rtp::{Pt, RtpTime, SeqNo, SeqNo16};

/// Gaps remembered per stream. More than this at once is an outage, not loss: asking would only
/// delay what comes, so all are given up.
const MISSING_CAPACITY: usize = 256;
/// A gap after a silence is an outage from this many packets on: the sender's path was away, and what
/// it would repeat now comes before what is new.
const OUTAGE: usize = 32;
/// A packet is asked for only when it did not come by itself for this long: reordering is common.
const REORDERING: Duration = Duration::from_millis(5);
/// How often a packet is asked for.
const ASKS: u8 = 10;
/// A packet that is this late is of no use to a call.
const WORTHLESS: Duration = Duration::from_secs(1);
/// The shortest wait for an answer, whatever the round trip seems to be.
const SHORTEST_WAIT: Duration = Duration::from_millis(20);

/// What a packet is to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Newer than all before.
    Newest,
    /// It fills a gap.
    Repair,
    /// It came before, or was given up.
    Useless,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    seq: SeqNo,
    noticed_at: Instant,
    asked_at: Option<Instant>,
    asks: u8,
}

/// Finds the gaps in one incoming stream.
#[derive(Debug, Default)]
pub(crate) struct NackGenerator {
    highest: Option<SeqNo>,
    highest_at: Option<Instant>,
    /// Ascending.
    missing: VecDeque<Missing>,
    given_up: u64,
}

impl NackGenerator {
    /// The unrolled number of a packet of this stream.
    pub(crate) fn unroll(&self, seq: SeqNo16) -> SeqNo {
        self.highest.map_or_else(|| SeqNo::first(seq), |highest| highest.nearest(seq))
    }

    /// The highest number that came.
    pub(crate) fn highest(&self) -> Option<SeqNo> {
        self.highest
    }

    /// Notes that a packet came.
    pub(crate) fn note(&mut self, seq: SeqNo, now: Instant) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            self.highest_at = Some(now);
            return Arrival::Newest;
        };
        if seq > highest {
            let before = self.highest_at.replace(now).unwrap_or(now);
            let silence = now.saturating_duration_since(before);
            self.highest = Some(seq);
            let gap = usize::try_from(seq.0 - highest.0 - 1).unwrap_or(usize::MAX);
            if gap > MISSING_CAPACITY || (gap > OUTAGE && silence >= WORTHLESS) {
                self.given_up += self.missing.len() as u64 + (seq.0 - highest.0 - 1);
                self.missing.clear();
                return Arrival::Newest;
            }
            let surplus = (self.missing.len() + gap).saturating_sub(MISSING_CAPACITY);
            self.given_up += surplus as u64;
            self.missing.drain(..surplus);
            self.missing.extend((highest.0 + 1..seq.0).map(|seq| Missing {
                seq: SeqNo(seq),
                noticed_at: now,
                asked_at: None,
                asks: 0,
            }));
            return Arrival::Newest;
        }
        match self.missing.binary_search_by_key(&seq, |missing| missing.seq) {
            Ok(at) => {
                self.missing.remove(at);
                Arrival::Repair
            }
            Err(_) => Arrival::Useless,
        }
    }

    /// Adds to `due` what is to be asked for now, ascending.
    pub(crate) fn collect_due(
        &mut self,
        round_trip: Duration,
        now: Instant,
        due: &mut Vec<SeqNo16>,
    ) {
        self.expire(now);
        let wait = (round_trip + round_trip / 4).max(SHORTEST_WAIT);
        for missing in &mut self.missing {
            let is_due = match missing.asked_at {
                None => now.saturating_duration_since(missing.noticed_at) >= REORDERING,
                Some(at) => now.saturating_duration_since(at) >= wait,
            };
            if is_due && missing.asks < ASKS {
                missing.asked_at = Some(now);
                missing.asks += 1;
                due.push(missing.seq.truncate());
            }
        }
    }

    /// Gives up what is too old, asked for or not.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(oldest) = self.missing.front()
            && now.saturating_duration_since(oldest.noticed_at) >= WORTHLESS
        {
            self.missing.pop_front();
            self.given_up += 1;
        }
    }

    /// How many packets were given up since the last time this was asked.
    pub(crate) fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }
}

/// One packet as a subscriber got it: enough to make the same bytes again.
///
/// Without RTX a packet is repeated under its own sequence number and so under its own nonce; any
/// difference in its bytes would then give the key stream away. So whatever goes into a packet and
/// is not in the cache stands here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) publication: Key<Publication>,
    pub(crate) cached: CacheIndex,
    pub(crate) seq: SeqNo,
    pub(crate) timestamp: RtpTime,
    /// 24 bits of 6.18 fixed point seconds.
    pub(crate) send_time: u32,
    pub(crate) transport_seq: u16,
    pub(crate) picture_id: u16,
    pub(crate) tl0: u8,
    pub(crate) pt: Pt,
    pub(crate) padding: u8,
    /// Whether its bytes were ever made.
    pub(crate) is_sealed: bool,
    repeats: u8,
    repeated_at: Option<Instant>,
}

impl Sent {
    pub(crate) fn new(
        publication: Key<Publication>,
        cached: CacheIndex,
        pt: Pt,
        numbers: crate::rewriter::Renumbered,
    ) -> Self {
        Self {
            publication,
            cached,
            seq: numbers.seq,
            timestamp: numbers.timestamp,
            send_time: 0,
            transport_seq: 0,
            picture_id: numbers.picture_id,
            tl0: numbers.tl0,
            pt,
            padding: 0,
            is_sealed: false,
            repeats: 0,
            repeated_at: None,
        }
    }
}

/// How often one packet is repeated for one subscriber: a broken or hostile one cannot multiply
/// what it receives beyond this.
const REPEATS: u8 = 8;

/// Remembers what one subscription sent: as many packets as the publication's cache names.
pub(crate) struct NackResponder {
    ring: Vec<Option<Sent>>,
}

impl NackResponder {
    pub(crate) fn for_audio() -> Self {
        Self { ring: vec![None; AUDIO_PACKETS] }
    }

    pub(crate) fn for_video() -> Self {
        Self { ring: vec![None; VIDEO_PACKETS] }
    }

    /// Notes a packet that will be sent.
    pub(crate) fn note(&mut self, sent: Sent) {
        let place = self.place(sent.seq);
        self.ring[place] = Some(sent);
    }

    /// What was sent under a number, if it is still known.
    pub(crate) fn get(&self, seq: SeqNo) -> Option<&Sent> {
        self.ring[self.place(seq)].as_ref().filter(|sent| sent.seq == seq)
    }

    pub(crate) fn get_mut(&mut self, seq: SeqNo) -> Option<&mut Sent> {
        let place = self.place(seq);
        self.ring[place].as_mut().filter(|sent| sent.seq == seq)
    }

    /// Whether a packet that is asked for may be repeated now, and notes that it is.
    pub(crate) fn repeat(&mut self, seq: SeqNo, round_trip: Duration, now: Instant) -> bool {
        let Some(sent) = self.get_mut(seq) else { return false };
        // The answer to an earlier request is still on its way.
        let too_soon = sent
            .repeated_at
            .is_some_and(|at| now.saturating_duration_since(at) < round_trip.max(REORDERING));
        if !sent.is_sealed || too_soon || sent.repeats >= REPEATS {
            return false;
        }
        sent.repeats += 1;
        sent.repeated_at = Some(now);
        true
    }

    fn place(&self, seq: SeqNo) -> usize {
        usize::from(seq.truncate().0) % self.ring.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    fn due(generator: &mut NackGenerator, now: Instant) -> Vec<u16> {
        let mut due = Vec::new();
        generator.collect_due(RTT, now, &mut due);
        due.into_iter().map(|seq| seq.0).collect()
    }

    #[test]
    fn a_gap_is_asked_for_after_the_time_of_reordering_and_again_after_a_round_trip() {
        let start = Instant::now();
        let mut generator = NackGenerator::default();
        assert_eq!(generator.note(SeqNo(100), start), Arrival::Newest);
        assert_eq!(generator.note(SeqNo(103), start), Arrival::Newest);
        assert!(due(&mut generator, start).is_empty());
        assert_eq!(due(&mut generator, start + REORDERING), [101, 102]);
        assert!(due(&mut generator, start + REORDERING + RTT).is_empty());
        assert_eq!(generator.note(SeqNo(101), start + RTT), Arrival::Repair);
        assert_eq!(due(&mut generator, start + REORDERING + RTT * 2), [102]);
    }

    #[test]
    fn a_packet_comes_once() {
        let start = Instant::now();
        let mut generator = NackGenerator::default();
        generator.note(SeqNo(1), start);
        generator.note(SeqNo(3), start);
        assert_eq!(generator.note(SeqNo(3), start), Arrival::Useless);
        assert_eq!(generator.note(SeqNo(2), start), Arrival::Repair);
        assert_eq!(generator.note(SeqNo(2), start), Arrival::Useless);
        assert_eq!(generator.note(SeqNo(0), start), Arrival::Useless);
    }

    #[test]
    fn what_is_too_late_is_given_up_and_counted() {
        let start = Instant::now();
        let mut generator = NackGenerator::default();
        generator.note(SeqNo(1), start);
        generator.note(SeqNo(5), start);
        assert!(due(&mut generator, start + WORTHLESS).is_empty());
        assert_eq!(generator.take_given_up(), 3);
        assert_eq!(generator.note(SeqNo(2), start + WORTHLESS), Arrival::Useless);
    }

    #[test]
    fn a_gap_after_a_silence_is_an_outage_and_a_short_one_is_loss() {
        let start = Instant::now();
        for (seq, silence, asked) in [(141, WORTHLESS, 0), (141, RTT, 40), (111, WORTHLESS, 10)] {
            let mut generator = NackGenerator::default();
            generator.note(SeqNo(100), start);
            let now = start + silence;
            assert_eq!(generator.note(SeqNo(seq), now), Arrival::Newest);
            assert_eq!(
                due(&mut generator, now + REORDERING).len(),
                asked,
                "{seq} after {silence:?}"
            );
        }
    }

    #[test]
    fn an_outage_is_not_asked_for() {
        let start = Instant::now();
        let mut generator = NackGenerator::default();
        generator.note(SeqNo(1), start);
        generator.note(SeqNo(1_000), start);
        assert!(due(&mut generator, start + REORDERING).is_empty());
        assert_eq!(generator.take_given_up(), 998);
    }

    #[test]
    fn gaps_never_exceed_their_capacity() {
        let start = Instant::now();
        let mut generator = NackGenerator::default();
        for seq in (0..4_000).step_by(2) {
            generator.note(SeqNo(seq), start);
            assert!(generator.missing.len() <= MISSING_CAPACITY);
        }
    }
}
