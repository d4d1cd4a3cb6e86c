use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use confer_protocol::id::{ParticipantId, TrackId, UserId};
use confer_protocol::room::{RoomInfo, RoomSnapshot};
use confer_protocol::server::RoomEvent;

use crate::hub::Output;
use crate::seat::{Seat, Whereabouts};

/// One room with somebody in it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) info: RoomInfo,
    pub(crate) seats: BTreeMap<ParticipantId, Seat>,
    next_order: u64,
}

impl Room {
    pub(crate) fn new(info: RoomInfo) -> Self {
        Self { info, seats: BTreeMap::new(), next_order: 0 }
    }

    pub(crate) fn next_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    /// Tells everybody but the one it is about.
    pub(crate) fn tell_others(
        &mut self,
        about: ParticipantId,
        event: RoomEvent,
        replay_events: usize,
        outputs: &mut VecDeque<Output>,
    ) {
        let event = Arc::new(event);
        for seat in self.seats.values_mut().filter(|seat| seat.id != about) {
            seat.tell(&event, replay_events, outputs);
        }
    }

    /// What `reader` needs to show the room.
    pub(crate) fn snapshot(&self, reader: ParticipantId) -> RoomSnapshot {
        let mut seats: Vec<&Seat> = self.seats.values().collect();
        seats.sort_by_key(|seat| seat.order);
        RoomSnapshot {
            room: self.info.clone(),
            participants: seats.into_iter().map(Seat::info).collect(),
            slots: self.seats.get(&reader).map(|seat| seat.slots.clone()).unwrap_or_default(),
        }
    }

    pub(crate) fn track_ids(&self) -> impl Iterator<Item = TrackId> + use<'_> {
        self.seats.values().flat_map(|seat| seat.publications.keys().copied())
    }

    pub(crate) fn tracks(&self) -> usize {
        self.seats.values().map(|seat| seat.publications.len()).sum()
    }

    pub(crate) fn seats_of(&self, user: UserId) -> impl Iterator<Item = &Seat> {
        self.seats.values().filter(move |seat| seat.user.id == user)
    }

    /// The seat of `user` that has been without a socket longest.
    pub(crate) fn longest_away(&self, user: UserId) -> Option<ParticipantId> {
        self.seats_of(user)
            .filter_map(|seat| match seat.whereabouts {
                Whereabouts::Away { since } => Some((since, seat.order, seat.id)),
                Whereabouts::Here { .. } => None,
            })
            .min()
            .map(|(_, _, id)| id)
    }
}
