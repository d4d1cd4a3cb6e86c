//! Which tracks a subscriber's pre-negotiated slots carry.
//!
//! What is shown stays where it is: a track keeps its slot while others come and go, and one that
//! comes takes what is free. Only where audio slots are fewer than voices do louder ones replace
//! quieter ones, and only clearly louder ones.

use crate::speaker::OVERTAKING;

/// A track somebody could be shown, in the order tracks were published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate<T> {
    pub(crate) track: T,
    /// Keeps its slot whoever else speaks.
    pub(crate) is_pinned: bool,
    /// Zero when silent; always for video.
    pub(crate) loudness: f32,
}

/// Fills `slots` from `candidates`, at most `shown` of them; `true` when anything changed.
pub(crate) fn assign<T: Copy + PartialEq>(
    slots: &mut [Option<T>],
    shown: usize,
    candidates: &[Candidate<T>],
) -> bool {
    let capacity = shown.min(slots.len());
    let carried = |slots: &[Option<T>], track: T| slots.contains(&Some(track));

    // Who has a claim, strongest first: pinned ones, those already shown, those that speak,
    // everybody else. Within a claim the order of publishing decides.
    let mut claims: Vec<Candidate<T>> = Vec::with_capacity(candidates.len());
    claims.extend(candidates.iter().filter(|one| one.is_pinned));
    claims.extend(candidates.iter().filter(|one| !one.is_pinned && carried(slots, one.track)));
    let newcomers = claims.len();
    claims.extend(candidates.iter().filter(|one| !one.is_pinned && !carried(slots, one.track)));
    claims[newcomers..].sort_by(|a, b| b.loudness.total_cmp(&a.loudness));

    // The loudest newcomer that found no place may take that of the quietest one shown.
    if claims.len() > capacity {
        let (shown, waiting) = claims.split_at_mut(capacity);
        let loudest = waiting.iter_mut().max_by(|a, b| a.loudness.total_cmp(&b.loudness));
        let quietest = shown
            .iter_mut()
            .filter(|one| !one.is_pinned)
            .min_by(|a, b| a.loudness.total_cmp(&b.loudness));
        if let (Some(loudest), Some(quietest)) = (loudest, quietest)
            && loudest.loudness > quietest.loudness + OVERTAKING
        {
            std::mem::swap(loudest, quietest);
        }
        claims.truncate(capacity);
    }

    let mut changed = false;
    for slot in slots.iter_mut() {
        if slot.is_some_and(|track| !claims.iter().any(|one| one.track == track)) {
            *slot = None;
            changed = true;
        }
    }
    for claim in &claims {
        if carried(slots, claim.track) {
            continue;
        }
        if let Some(free) = slots.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(claim.track);
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(tracks: &str) -> Vec<Candidate<char>> {
        tracks
            .chars()
            .map(|track| Candidate {
                track: track.to_ascii_lowercase(),
                is_pinned: track.is_ascii_uppercase(),
                loudness: 0.0,
            })
            .collect()
    }

    fn shown(slots: &[Option<char>]) -> String {
        slots.iter().map(|slot| slot.unwrap_or('-')).collect()
    }

    #[test]
    fn tracks_take_slots_in_the_order_of_publishing() {
        let mut slots = [None; 3];
        assert!(assign(&mut slots, 3, &quiet("ab")));
        assert_eq!(shown(&slots), "ab-");
        assert!(assign(&mut slots, 3, &quiet("abcd")));
        assert_eq!(shown(&slots), "abc");
        assert!(!assign(&mut slots, 3, &quiet("abcd")));
    }

    #[test]
    fn a_track_keeps_its_slot_when_others_go_and_come() {
        let mut slots = [Some('a'), Some('b'), Some('c')];
        assign(&mut slots, 3, &quiet("ac"));
        assert_eq!(shown(&slots), "a-c");
        assign(&mut slots, 3, &quiet("acd"));
        assert_eq!(shown(&slots), "adc");
    }

    #[test]
    fn a_pinned_track_is_shown_first() {
        let mut slots = [Some('a'), Some('b')];
        assign(&mut slots, 2, &quiet("abC"));
        assert_eq!(shown(&slots), "ac");
    }

    #[test]
    fn a_layout_that_shows_less_leaves_slots_empty() {
        let mut slots = [Some('a'), Some('b'), Some('c')];
        assign(&mut slots, 1, &quiet("abc"));
        assert_eq!(shown(&slots), "a--");
    }

    #[test]
    fn a_clearly_louder_voice_replaces_the_quietest_and_no_other() {
        let mut slots = [Some('a'), Some('b')];
        let mut candidates = quiet("abc");
        candidates[0].loudness = 90.0;
        candidates[1].loudness = 80.0;
        candidates[2].loudness = 84.0;
        assert!(!assign(&mut slots, 2, &candidates), "a little louder is not enough");
        candidates[2].loudness = 88.0;
        assert!(assign(&mut slots, 2, &candidates));
        assert_eq!(shown(&slots), "ac");
    }

    #[test]
    fn a_pinned_voice_is_never_replaced() {
        let mut slots = [Some('a')];
        let mut candidates = quiet("Ab");
        candidates[1].loudness = 120.0;
        assert!(!assign(&mut slots, 1, &candidates));
    }
}
