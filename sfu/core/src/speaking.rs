//! Who speaks in each room, and who is heard where audio slots are few.

use std::time::Duration;

use confer_protocol::id::ParticipantId;
use confer_protocol::media::{MediaEvent, MediaHappening};
use confer_protocol::room::MediaKind;

use crate::shard::Shard;

/// How often it is looked at who speaks.
const SPEAKERS_TICK: Duration = Duration::from_millis(100);

impl Shard {
    /// Finds out who speaks, tells signaling, and gives audio slots to who is louder.
    pub(crate) fn tick_speakers(&mut self) {
        let now = self.now;
        if self.speakers_due > now {
            return;
        }
        self.speakers_due = now + SPEAKERS_TICK;
        let interval = self.config.limits.speakers_interval;
        for place in 0..self.rooms.places() {
            let Some(room_key) = self.rooms.key_at(place) else { continue };
            let Some(room) = self.rooms.get_mut(room_key) else { continue };
            let mut speaking: Vec<(ParticipantId, f32)> = Vec::new();
            for key in &room.publications {
                let Some(publication) = self.publications.get_mut(*key) else { continue };
                if publication.kind() != MediaKind::Audio || !publication.voice.is_speaking(now) {
                    continue;
                }
                let loudness = publication.voice.loudness();
                let Some(owner) = self.participants.get(publication.owner) else { continue };
                // Somebody with two microphones is one speaker, as loud as the louder one.
                match speaking.iter_mut().find(|(who, _)| *who == owner.id) {
                    Some((_, known)) => *known = known.max(loudness),
                    None => speaking.push((owner.id, loudness)),
                }
            }
            let room_id = room.id;
            if let Some(speakers) = room.speakers.update(&speaking, interval, now) {
                let speakers = speakers.to_vec();
                let loudest = speakers.first().copied().or(room.last_speaker);
                room.last_speaker = loudest;
                if let Some(participant) = loudest {
                    let happening = MediaHappening::Speakers { speakers };
                    self.push_event(MediaEvent { room: room_id, participant, happening });
                }
            }
            if speaking.is_empty() {
                continue;
            }
            let Some(room) = self.rooms.get(room_key) else { continue };
            let crowded: Vec<_> = room
                .members
                .iter()
                .copied()
                .filter(|member| {
                    self.participants.get(*member).is_some_and(|one| room.is_crowded(one))
                })
                .collect();
            for member in crowded {
                if self.assign_member(member) {
                    self.push_slots(member);
                }
            }
        }
    }
}
