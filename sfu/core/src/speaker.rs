//! Who speaks, from the levels senders put into their packets (RFC 6464).
//!
//! Each packet says how loud it is, so no audio is decoded. Levels are smoothed; a track begins to
//! speak when it is clearly loud and stops when it has been quiet for a while, and of two that
//! speak the order changes only when one is clearly louder.

use std::time::{Duration, Instant};

/// Quieter than any speech, in decibels above the quietest level RFC 6464 knows.
const SILENCE: f32 = 0.0;
/// A track begins to speak at -45 dBov.
const SPEAKING: f32 = 82.0;
/// It goes on while it is above -55 dBov.
const STILL_SPEAKING: f32 = 72.0;
/// Pauses between words are not silence.
const HANGOVER: Duration = Duration::from_millis(600);
/// Share of a new level when it is louder than the smoothed one: three packets to be heard.
const ATTACK: f32 = 0.35;
/// Share of a new level when it is quieter: a breath does not end a sentence.
const RELEASE: f32 = 0.08;
/// How much louder a track must be to overtake another in the order, in decibels.
pub(crate) const OVERTAKING: f32 = 6.0;

/// How loud one track is and whether somebody speaks on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    smoothed: f32,
    loud_at: Option<Instant>,
    is_speaking: bool,
}

impl Default for Voice {
    fn default() -> Self {
        Self { smoothed: SILENCE, loud_at: None, is_speaking: false }
    }
}

impl Voice {
    /// Notes one packet's extension: -dBov in the lower seven bits.
    pub(crate) fn note(&mut self, level: u8, now: Instant) {
        let level = f32::from(127 - (level & 0x7f));
        let share = if level > self.smoothed { ATTACK } else { RELEASE };
        self.smoothed += (level - self.smoothed) * share;
        if self.smoothed >= SPEAKING || (self.is_speaking && self.smoothed >= STILL_SPEAKING) {
            self.is_speaking = true;
            self.loud_at = Some(now);
        }
    }

    /// The track was muted or went away.
    pub(crate) fn silence(&mut self) {
        *self = Self::default();
    }

    /// Whether somebody speaks now. Packets may have stopped coming altogether.
    pub(crate) fn is_speaking(&mut self, now: Instant) -> bool {
        let is_recent = self.loud_at.is_some_and(|at| now.saturating_duration_since(at) < HANGOVER);
        if !is_recent {
            self.is_speaking = false;
        }
        self.is_speaking
    }

    /// For comparing tracks; silence is zero.
    pub(crate) fn loudness(&self) -> f32 {
        if self.is_speaking { self.smoothed } else { SILENCE }
    }
}

/// The order of a room's speakers, and whether there is news for its members.
#[derive(Debug)]
pub(crate) struct Speakers<T> {
    order: Vec<T>,
    announced: Vec<T>,
    announced_at: Option<Instant>,
}

impl<T> Default for Speakers<T> {
    fn default() -> Self {
        Self { order: Vec::new(), announced: Vec::new(), announced_at: None }
    }
}

impl<T: Copy + PartialEq> Speakers<T> {
    /// Takes who speaks now and how loud, in any stable order, and says whether the order is to be
    /// announced.
    pub(crate) fn update(
        &mut self,
        speaking: &[(T, f32)],
        interval: Duration,
        now: Instant,
    ) -> Option<&[T]> {
        self.order.retain(|known| speaking.iter().any(|(who, _)| who == known));
        for (who, _) in speaking {
            if !self.order.contains(who) {
                self.order.push(*who);
            }
        }
        let loudness = |who: &T| {
            speaking.iter().find(|(known, _)| known == who).map_or(SILENCE, |(_, loud)| *loud)
        };
        // One pass of a bubble sort with a margin: a single step per update is calm enough.
        for at in (1..self.order.len()).rev() {
            if loudness(&self.order[at]) > loudness(&self.order[at - 1]) + OVERTAKING {
                self.order.swap(at, at - 1);
            }
        }

        let rested =
            self.announced_at.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        if self.order == self.announced || !rested {
            return None;
        }
        self.announced.clone_from(&self.order);
        self.announced_at = Some(now);
        Some(&self.announced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Duration = Duration::from_millis(20);
    const LOUD: u8 = 25;
    const QUIET: u8 = 90;

    fn hear(voice: &mut Voice, level: u8, packets: u32, now: &mut Instant) {
        for _ in 0..packets {
            *now += PACKET;
            voice.note(level, *now);
        }
    }

    #[test]
    fn a_voice_is_heard_within_a_fifth_of_a_second_and_a_click_is_not() {
        let mut now = Instant::now();
        let mut voice = Voice::default();
        hear(&mut voice, QUIET, 50, &mut now);
        hear(&mut voice, LOUD, 1, &mut now);
        assert!(!voice.is_speaking(now), "one packet is a click");
        hear(&mut voice, LOUD, 9, &mut now);
        assert!(voice.is_speaking(now));
    }

    #[test]
    fn a_breath_does_not_end_a_sentence_but_silence_does() {
        let mut now = Instant::now();
        let mut voice = Voice::default();
        hear(&mut voice, LOUD, 50, &mut now);
        hear(&mut voice, QUIET, 15, &mut now);
        assert!(voice.is_speaking(now));
        hear(&mut voice, QUIET, 60, &mut now);
        assert!(!voice.is_speaking(now));
    }

    #[test]
    fn a_voice_whose_packets_stop_stops_speaking() {
        let mut now = Instant::now();
        let mut voice = Voice::default();
        hear(&mut voice, LOUD, 50, &mut now);
        assert!(!voice.is_speaking(now + HANGOVER));
    }

    #[test]
    fn the_order_changes_only_for_somebody_clearly_louder_and_news_are_throttled() {
        let start = Instant::now();
        let interval = Duration::from_millis(200);
        let mut speakers = Speakers::default();
        assert_eq!(
            speakers.update(&[('a', 90.0), ('b', 80.0)], interval, start),
            Some(&['a', 'b'][..])
        );
        assert_eq!(speakers.update(&[('a', 90.0), ('b', 93.0)], interval, start + interval), None);
        assert_eq!(speakers.update(&[('a', 90.0), ('b', 97.0)], interval, start + PACKET), None);
        let news = speakers.update(&[('a', 90.0), ('b', 97.0)], interval, start + interval);
        assert_eq!(news, Some(&['b', 'a'][..]));
        assert_eq!(speakers.update(&[], interval, start + interval * 2), Some(&[][..]));
    }
}
