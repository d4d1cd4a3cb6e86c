//! What participants do with tracks, their own and others'.

use std::collections::BTreeSet;

use confer_protocol::client::SubscriptionWish;
use confer_protocol::id::TrackId;
use confer_protocol::media::MediaAction;
use confer_protocol::room::SlotDemand;
use confer_protocol::server::RoomEvent;

use super::{Context, Hub, SeatRef};
use crate::error::{SubscribeError, TrackError};
use crate::room::Room;

impl Hub {
    pub(super) fn mute(
        &mut self,
        at: SeatRef,
        track: TrackId,
        muted: bool,
        context: &mut Context<'_>,
    ) -> Result<(), TrackError> {
        let publication = self
            .seat_mut(at)
            .and_then(|seat| seat.publications.get_mut(&track))
            .ok_or(TrackError::NotYours { track })?;
        if publication.muted == muted {
            return Ok(());
        }
        let action = MediaAction::Mute { track, muted };
        context.media.send(at.command(action)).map_err(TrackError::Media)?;
        publication.muted = muted;
        self.tell_others(at, RoomEvent::TrackMuted { participant: at.participant, track, muted });
        Ok(())
    }

    pub(super) fn unpublish(
        &mut self,
        at: SeatRef,
        track: TrackId,
        context: &mut Context<'_>,
    ) -> Result<(), TrackError> {
        let seat = self.seat_mut(at).ok_or(TrackError::NotYours { track })?;
        if !seat.publications.contains_key(&track) {
            return Err(TrackError::NotYours { track });
        }
        let action = MediaAction::Unpublish { track };
        context.media.send(at.command(action)).map_err(TrackError::Media)?;
        seat.publications.remove(&track);
        self.tell_others(at, RoomEvent::TrackUnpublished { participant: at.participant, track });
        Ok(())
    }

    pub(super) fn subscribe(
        &mut self,
        at: SeatRef,
        mut wishes: Vec<SubscriptionWish>,
        layout: SlotDemand,
        context: &mut Context<'_>,
    ) -> Result<(), SubscribeError> {
        if !self.seat_mut(at).is_some_and(|seat| seat.permissions.subscribe) {
            return Err(SubscribeError::NotGranted);
        }
        if !wishes.is_empty() {
            // A track may be gone before the wish for it comes. What never was would be kept by
            // the media plane for nothing.
            let room = self.rooms.get(&at.room);
            let known: BTreeSet<TrackId> = room.into_iter().flat_map(Room::track_ids).collect();
            wishes.retain(|wish| known.contains(&wish.track));
        }
        let action = MediaAction::Subscribe { wishes, layout };
        context.media.send(at.command(action)).map_err(SubscribeError::Media)
    }
}
