use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use confer_protocol::id::{Epoch, ParticipantId, TrackId};
use confer_protocol::room::{
    ParticipantInfo, Permissions, SlotMap, TrackInfo, TrackSource, UserInfo,
};
use confer_protocol::server::RoomEvent;
use uuid::Uuid;

use crate::hub::{ConnectionId, Output};
use crate::offer::Negotiation;
use crate::random::Ticket;

/// One participant's place in a room: it outlives the sockets that speak for it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) id: ParticipantId,
    pub(crate) user: UserInfo,
    /// The login of the socket that took the seat last.
    pub(crate) login: Uuid,
    pub(crate) permissions: Permissions,
    /// Grows with every join of the room; snapshots are in this order.
    pub(crate) order: u64,
    pub(crate) whereabouts: Whereabouts,
    pub(crate) epoch: Epoch,
    pub(crate) log: EventLog,
    pub(crate) ticket: Ticket,
    /// The ticket of the last resume. It dies when the holder of the next one speaks, because
    /// until then the answer that carried the next one may be lost.
    pub(crate) spent_ticket: Option<Ticket>,
    pub(crate) publications: BTreeMap<TrackId, Publication>,
    pub(crate) negotiation: Negotiation,
    pub(crate) slots: SlotMap,
}

/// Whether a socket speaks for the seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    Here { connection: ConnectionId },
    Away { since: Instant },
}

/// A track that others know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) mid: confer_protocol::id::Mid,
    pub(crate) source: TrackSource,
    pub(crate) muted: bool,
}

impl Seat {
    pub(crate) fn connection(&self) -> Option<ConnectionId> {
        match self.whereabouts {
            Whereabouts::Here { connection } => Some(connection),
            Whereabouts::Away { .. } => None,
        }
    }

    /// Numbers an event, keeps it for a resume and sends it if somebody listens.
    pub(crate) fn tell(
        &mut self,
        event: &Arc<RoomEvent>,
        replay_events: usize,
        outputs: &mut VecDeque<Output>,
    ) {
        let seq = self.log.push(Arc::clone(event), replay_events);
        if let Whereabouts::Here { connection } = self.whereabouts {
            outputs.push_back(Output::Event { connection, seq, event: Arc::clone(event) });
        }
    }

    pub(crate) fn info(&self) -> ParticipantInfo {
        ParticipantInfo {
            id: self.id,
            user: self.user.clone(),
            away: self.connection().is_none(),
            tracks: self.publications.iter().map(|(id, it)| self.track(*id, it)).collect(),
        }
    }

    pub(crate) fn track(&self, id: TrackId, publication: &Publication) -> TrackInfo {
        TrackInfo {
            id,
            participant: self.id,
            kind: publication.source.kind(),
            source: publication.source,
            muted: publication.muted,
        }
    }
}

/// The numbering of one seat's events and the last few of them.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    last: u64,
    /// The newest, whose number is `last`, is at the back.
    kept: VecDeque<Arc<RoomEvent>>,
}

impl EventLog {
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    fn push(&mut self, event: Arc<RoomEvent>, keep: usize) -> u64 {
        self.last += 1;
        self.kept.push_back(event);
        while self.kept.len() > keep {
            self.kept.pop_front();
        }
        self.last
    }

    /// Everything after `seq`, or `None` when that is no longer (or not yet) known.
    pub(crate) fn after(
        &self,
        seq: u64,
    ) -> Option<impl Iterator<Item = (u64, &Arc<RoomEvent>)> + use<'_>> {
        let missing = usize::try_from(self.last.checked_sub(seq)?).ok()?;
        let skip = self.kept.len().checked_sub(missing)?;
        Some((seq + 1..).zip(self.kept.iter().skip(skip)))
    }
}
