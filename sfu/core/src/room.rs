//! Who is here, what is published, who receives what.

use confer_protocol::id::{ParticipantId, RoomId};
use confer_protocol::room::{MediaKind, SlotDemand};

use crate::arena::{Arena, Key};
use crate::participant::Participant;
use crate::publication::{Publication, Subscriber};
use crate::slots::{self, Candidate};
use crate::speaker::Speakers;

/// One room, from its first participant to its last.
pub(crate) struct Room {
    pub(crate) id: RoomId,
    /// In the order they joined.
    pub(crate) members: Vec<Key<Participant>>,
    /// In the order they were published.
    pub(crate) publications: Vec<Key<Publication>>,
    pub(crate) speakers: Speakers<ParticipantId>,
    /// Who spoke last, for announcing that nobody does.
    pub(crate) last_speaker: Option<ParticipantId>,
}

impl Room {
    pub(crate) fn new(id: RoomId) -> Self {
        Self {
            id,
            members: Vec::new(),
            publications: Vec::new(),
            speakers: Speakers::default(),
            last_speaker: None,
        }
    }

    /// Decides anew what a member's slots of one kind carry; `true` when its slot map changed.
    pub(crate) fn assign(
        &self,
        member: Key<Participant>,
        kind: MediaKind,
        participants: &mut Arena<Participant>,
        publications: &mut Arena<Publication>,
    ) -> bool {
        let Some(participant) = participants.get_mut(member) else { return false };
        let candidates = self.candidates(member, participant, kind, publications);

        let shown = participant.shown(kind);
        let wanted = u16::try_from(candidates.len().min(shown)).unwrap_or(u16::MAX);
        let demand = match kind {
            MediaKind::Audio => SlotDemand { audio: wanted, ..participant.demand },
            MediaKind::Video => SlotDemand { video: wanted, ..participant.demand },
        };
        let mut changed = demand != participant.demand;
        participant.demand = demand;

        let places: Vec<usize> = (0..participant.slots.len())
            .filter(|place| participant.slots[*place].kind == kind)
            .collect();
        let before: Vec<_> = places.iter().map(|at| participant.slots[*at].carries).collect();
        let mut after = before.clone();
        if slots::assign(&mut after, shown, &candidates) {
            changed = true;
            for ((place, old), new) in places.iter().zip(&before).zip(&after) {
                if old == new {
                    continue;
                }
                let subscriber = Subscriber { participant: member, slot: *place };
                if let Some(publication) = old.and_then(|key| publications.get_mut(key)) {
                    publication.subscribers.retain(|other| *other != subscriber);
                }
                if let Some(publication) = new.and_then(|key| publications.get_mut(key)) {
                    publication.subscribers.push(subscriber);
                    if kind == MediaKind::Video && participant.is_open {
                        publication.keyframes.want();
                    }
                }
                participant.slots[*place].carry(*new);
            }
        }
        if changed {
            participant.slots_version += 1;
        }
        changed
    }

    /// Whether a member has fewer audio slots than tracks to fill them.
    pub(crate) fn is_crowded(&self, participant: &Participant) -> bool {
        let audio = participant.slots.iter().filter(|slot| slot.kind == MediaKind::Audio).count();
        usize::from(participant.demand.audio) > audio
    }

    fn candidates(
        &self,
        member: Key<Participant>,
        participant: &Participant,
        kind: MediaKind,
        publications: &Arena<Publication>,
    ) -> Vec<Candidate<Key<Publication>>> {
        self.publications
            .iter()
            .filter_map(|key| {
                let publication = publications.get(*key)?;
                if publication.kind() != kind || publication.owner == member {
                    return None;
                }
                let is_pinned = participant.wish(publication.track)?;
                let loudness = publication.voice.loudness();
                Some(Candidate { track: *key, is_pinned, loudness })
            })
            .collect()
    }
}
