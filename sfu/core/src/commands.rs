//! What signaling wants of the shard, except offers.

use std::time::Instant;

use confer_protocol::client::SubscriptionWish;
use confer_protocol::id::{ParticipantId, RoomId, TrackId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaEvent, MediaHappening};
use confer_protocol::room::{MediaKind, SlotDemand};
use rand::RngExt;

use crate::arena::Key;
use crate::participant::Participant;
use crate::publication::Publication;
use crate::room::Room;
use crate::rtp::Ssrc;
use crate::shard::Shard;

impl Shard {
    /// Does what signaling wants.
    pub fn handle_command(&mut self, command: MediaCommand, now: Instant) {
        self.now = now;
        let MediaCommand { room, participant, action } = command;
        let key = self.participant_keys.get(&(room, participant)).copied();
        match (action, key) {
            (MediaAction::Join { subscribe }, None) => self.join(room, participant, subscribe),
            (MediaAction::Offer { offer_id, sdp, publish }, _) => {
                self.offer(room, participant, key, offer_id, &sdp, publish);
            }
            (MediaAction::Leave, Some(key)) => self.leave(key),
            (MediaAction::Mute { track, muted }, Some(key)) => self.mute(key, track, muted),
            (MediaAction::Unpublish { track }, Some(key)) => self.unpublish(key, track),
            (MediaAction::Subscribe { wishes, layout }, Some(key)) => {
                self.subscribe(key, wishes, layout);
            }
            // An ICE-lite agent sends no checks, so it has no use for the client's candidates.
            (MediaAction::Candidate { .. }, _) => {}
            // A second join changes nothing; without a place there is nothing to change.
            (MediaAction::Join { .. }, Some(_))
            | (
                MediaAction::Leave
                | MediaAction::Mute { .. }
                | MediaAction::Unpublish { .. }
                | MediaAction::Subscribe { .. },
                None,
            ) => {}
        }
    }

    fn join(&mut self, room: RoomId, id: ParticipantId, subscribe: bool) {
        let limits = self.config.limits;
        let members = self
            .room_keys
            .get(&room)
            .and_then(|key| self.rooms.get(*key))
            .map_or(0, |room| room.members.len());
        if self.participants.len() >= limits.participants || members >= limits.participants_per_room
        {
            // Signaling learns it when the offer is refused.
            return;
        }
        let identity = (Ssrc(self.rng.random()), u64::from(self.rng.random::<u32>()));
        let participant = Participant::new(id, room, subscribe, identity, &limits, self.now);
        let key = self.participants.insert(participant);
        self.participant_keys.insert((room, id), key);
        let rooms = &mut self.rooms;
        let room_key = *self.room_keys.entry(room).or_insert_with(|| rooms.insert(Room::new(room)));
        if let Some(room) = self.rooms.get_mut(room_key) {
            room.members.push(key);
        }
    }

    fn leave(&mut self, key: Key<Participant>) {
        if let Some(transport) =
            self.participants.get_mut(key).and_then(|participant| participant.transport.as_mut())
        {
            transport.dtls.close(self.now);
        }
        self.drain_dtls(key);
        self.forget_transport(key);
        let Some(participant) = self.participants.remove(key) else { return };
        self.participant_keys.remove(&(participant.room, participant.id));
        for publication in &participant.publications {
            self.remove_publication(*publication);
        }
        for slot in &participant.slots {
            if let Some(publication) = slot.carries.and_then(|key| self.publications.get_mut(key)) {
                publication.subscribers.retain(|subscriber| subscriber.participant != key);
            }
        }
        // Events about a participant end with its leaving; what a room says goes on.
        self.events.retain(|event| {
            event.participant != participant.id
                || event.room != participant.room
                || matches!(event.happening, MediaHappening::Speakers { .. })
        });

        let Some(room_key) = self.room_keys.get(&participant.room).copied() else { return };
        let Some(room) = self.rooms.get_mut(room_key) else { return };
        room.members.retain(|member| *member != key);
        if room.members.is_empty() {
            self.rooms.remove(room_key);
            self.room_keys.remove(&participant.room);
        } else if !participant.publications.is_empty() {
            self.assign_room(participant.room);
        }
    }

    /// Nothing finds the participant's transport any more.
    pub(crate) fn forget_transport(&mut self, key: Key<Participant>) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.is_open = false;
        participant.announced = None;
        let Some(transport) = participant.transport.take() else { return };
        for ufrag in transport.ice.ufrags() {
            self.ufrags.remove(ufrag.as_bytes());
        }
        for source in transport.ice.sources() {
            if self.addresses.get(&source) == Some(&key) {
                self.addresses.remove(&source);
            }
        }
    }

    fn mute(&mut self, key: Key<Participant>, track: TrackId, muted: bool) {
        let Some(publication_key) = self.publication_of(key, track) else { return };
        let Some(publication) = self.publications.get_mut(publication_key) else { return };
        if !publication.mute(muted) {
            return;
        }
        if publication.kind() == MediaKind::Video && !muted {
            publication.keyframes.want();
        }
        for subscriber in &publication.subscribers {
            if let Some(slot) = self
                .participants
                .get_mut(subscriber.participant)
                .and_then(|participant| participant.slots.get_mut(subscriber.slot))
            {
                slot.pause();
            }
        }
    }

    fn unpublish(&mut self, key: Key<Participant>, track: TrackId) {
        let Some(publication) = self.publication_of(key, track) else { return };
        self.remove_publication(publication);
        if let Some(participant) = self.participants.get(key) {
            self.assign_room(participant.room);
        }
    }

    fn subscribe(
        &mut self,
        key: Key<Participant>,
        mut wishes: Vec<SubscriptionWish>,
        layout: SlotDemand,
    ) {
        // The last wish about a track is the one that counts.
        wishes.reverse();
        wishes.sort_by_key(|wish| wish.track);
        wishes.dedup_by_key(|wish| wish.track);
        wishes.truncate(self.config.limits.wishes);
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.wishes = wishes;
        participant.layout = layout;
        if self.assign_member(key) {
            self.push_slots(key);
        }
    }

    fn publication_of(&self, key: Key<Participant>, track: TrackId) -> Option<Key<Publication>> {
        let participant = self.participants.get(key)?;
        participant.publications.iter().copied().find(|publication| {
            self.publications.get(*publication).is_some_and(|one| one.track == track)
        })
    }

    /// Takes a track out of the room. Slots that carried it are empty until the next assignment.
    pub(crate) fn remove_publication(&mut self, key: Key<Publication>) {
        let Some(publication) = self.publications.remove(key) else { return };
        if let Some(owner) = self.participants.get_mut(publication.owner) {
            owner.publications.retain(|other| *other != key);
            owner.streams.retain(|stream| stream.publication != key);
        }
        if let Some(room) =
            self.room_keys.get(&publication.room).and_then(|room| self.rooms.get_mut(*room))
        {
            room.publications.retain(|other| *other != key);
        }
    }

    /// Decides anew what everybody in a room receives, and tells those for whom that changed.
    pub(crate) fn assign_room(&mut self, room: RoomId) {
        let Some(members) = self
            .room_keys
            .get(&room)
            .and_then(|key| self.rooms.get(*key))
            .map(|room| room.members.clone())
        else {
            return;
        };
        for member in members {
            if self.assign_member(member) {
                self.push_slots(member);
            }
        }
    }

    /// Decides anew what one participant receives; `true` when its slot map changed.
    pub(crate) fn assign_member(&mut self, key: Key<Participant>) -> bool {
        let Some(room) = self
            .participants
            .get(key)
            .and_then(|participant| self.room_keys.get(&participant.room))
            .and_then(|room| self.rooms.get(*room))
        else {
            return false;
        };
        let (participants, publications) = (&mut self.participants, &mut self.publications);
        let audio = room.assign(key, MediaKind::Audio, participants, publications);
        let video = room.assign(key, MediaKind::Video, participants, publications);
        audio || video
    }

    /// Tells a participant what its slots carry, once it has negotiated any.
    pub(crate) fn push_slots(&mut self, key: Key<Participant>) {
        let Some(participant) = self.participants.get(key) else { return };
        if participant.transport.is_none() {
            return;
        }
        let slots = participant.slot_map(&self.publications);
        let (room, participant) = (participant.room, participant.id);
        let happening = MediaHappening::SlotsChanged { slots };
        self.push_event(MediaEvent { room, participant, happening });
    }
}
