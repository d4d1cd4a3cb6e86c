//! Per packet and subscriber: forward, drop, or begin.

use std::time::Instant;

use crate::arena::{Arena, Key};
use crate::cache::CacheIndex;
use crate::egress::Pending;
use crate::participant::Participant;
use crate::publication::{Publication, Subscriber};
use crate::stats::ShardStats;
use crate::subscription::Decision;

/// Packets that overtook the first one of a keyframe, at most this many, go out after it.
const OVERTAKERS: usize = 64;

/// Offers a cached packet to every subscriber of its publication. Whoever then has something to
/// send for the first time since the last poll is added to `ready`.
pub(crate) fn forward(
    key: Key<Publication>,
    publication: &mut Publication,
    index: CacheIndex,
    participants: &mut Arena<Participant>,
    ready: &mut Vec<Key<Participant>>,
    stats: &mut ShardStats,
    now: Instant,
) {
    let Some(found) = publication.cache().and_then(|cache| cache.get(index)) else { return };
    let packet = *found.packet;
    let mut needs_keyframe = false;
    for at in 0..publication.subscribers.len() {
        let Subscriber { participant: subscriber, slot } = publication.subscribers[at];
        let Some(participant) = participants.get_mut(subscriber) else { continue };
        if !participant.can_send() {
            continue;
        }
        let epoch = publication.epoch;
        let decision = participant.slots[slot].take(key, epoch, index, &packet, now, stats);
        match decision {
            Decision::Send(seq) => {
                participant.enqueue(subscriber, Pending::media(slot, seq), ready, stats);
            }
            Decision::Begin(seq) => {
                participant.enqueue(subscriber, Pending::media(slot, seq), ready, stats);
                catch_up(
                    key,
                    publication,
                    index,
                    participant,
                    (subscriber, slot),
                    ready,
                    stats,
                    now,
                );
            }
            Decision::NeedsKeyframe => needs_keyframe = true,
            Decision::Drop => {}
        }
    }
    if needs_keyframe {
        publication.keyframes.want();
    }
}

/// Sends what follows `index` in the publisher's order and came before it: when the first packet of
/// a keyframe was lost and repaired, the rest of the frame is in the cache already.
#[expect(clippy::too_many_arguments, reason = "the second half of `forward`")]
fn catch_up(
    key: Key<Publication>,
    publication: &Publication,
    index: CacheIndex,
    participant: &mut Participant,
    (subscriber, slot): (Key<Participant>, usize),
    ready: &mut Vec<Key<Participant>>,
    stats: &mut ShardStats,
    now: Instant,
) {
    let Some(cache) = publication.cache() else { return };
    let Some(first) = cache.get(index).map(|found| found.packet.seq) else { return };
    if publication.highest().is_none_or(|highest| highest <= first) {
        return;
    }
    let mut overtakers = [(first, index); OVERTAKERS];
    let mut count = 0;
    for (other, packet) in cache.newest(OVERTAKERS) {
        if packet.seq > first {
            overtakers[count] = (packet.seq, other);
            count += 1;
        }
    }
    overtakers[..count].sort_unstable_by_key(|(seq, _)| *seq);
    for (_, other) in &overtakers[..count] {
        let Some(found) = cache.get(*other) else { continue };
        let epoch = publication.epoch;
        let decision = participant.slots[slot].take(key, epoch, *other, found.packet, now, stats);
        if let Decision::Send(seq) = decision {
            participant.enqueue(subscriber, Pending::media(slot, seq), ready, stats);
        }
    }
}
