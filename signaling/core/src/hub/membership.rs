//! Coming, going, and coming back.

use std::collections::BTreeMap;
use std::sync::Arc;

use confer_protocol::error::{CloseCode, ErrorBody};
use confer_protocol::id::{Epoch, ParticipantId, RoomId, UserId};
use confer_protocol::media::MediaAction;
use confer_protocol::room::{SlotMap, UserInfo};
use confer_protocol::server::{IceServer, Joined, LeaveReason, Reply, Resumed, RoomEvent};
use uuid::Uuid;

use super::{ConnectionId, Context, Hub, Output, SeatRef, Timer};
use crate::ask::ResumeAsk;
use crate::error::{JoinError, ResumeError};
use crate::offer::Negotiation;
use crate::ports::Admission;
use crate::random::Ticket;
use crate::room::Room;
use crate::seat::{EventLog, Seat, Whereabouts};

/// Numbered events that a socket did not see.
type Missed = Vec<(u64, Arc<RoomEvent>)>;

impl Hub {
    pub(super) fn join(
        &mut self,
        connection: ConnectionId,
        user: UserInfo,
        admission: Admission,
        ice_servers: Vec<IceServer>,
        context: &mut Context<'_>,
    ) -> Result<Reply, ErrorBody> {
        let at = self.make_place(connection, &user, &admission, context)?;
        let permissions = admission.permissions;
        let login = self.connections.get(&connection).map(|it| it.login).unwrap_or_default();
        // The last step that can fail: before it nothing is said, after it there is a seat.
        let action = MediaAction::Join { subscribe: permissions.subscribe };
        context.media.send(at.command(action)).map_err(JoinError::Media)?;

        let room = self.rooms.entry(at.room).or_insert_with(|| Room::new(admission.room.clone()));
        // A room may have been renamed since its first participant came.
        room.info = admission.room;
        let seat = Seat {
            id: at.participant,
            user,
            login,
            permissions: permissions.clone(),
            order: room.next_order(),
            whereabouts: Whereabouts::Here { connection },
            epoch: Epoch(context.random.id()),
            log: EventLog::default(),
            ticket: context.random.ticket(),
            spent_ticket: None,
            publications: BTreeMap::new(),
            negotiation: Negotiation::default(),
            slots: SlotMap::default(),
        };
        let (epoch, ticket, participant) = (seat.epoch, seat.ticket, seat.info());
        room.seats.insert(at.participant, seat);
        let joined = Joined {
            participant: at.participant,
            permissions,
            epoch,
            seq: 0,
            resume_ticket: ticket.to_text(),
            grace_ms: u32::try_from(self.limits.grace.as_millis()).unwrap_or(u32::MAX),
            ice_servers,
            snapshot: room.snapshot(at.participant),
        };
        self.tickets.insert(ticket, at);
        if let Some(record) = self.connections.get_mut(&connection) {
            record.seat = Some(at);
        }
        self.tell_others(at, RoomEvent::ParticipantJoined { participant });
        self.count(at.room);
        Ok(Reply::Join(Box::new(joined)))
    }

    /// Finds out whether there is a place, giving up an abandoned one of the same user if need be.
    fn make_place(
        &mut self,
        connection: ConnectionId,
        user: &UserInfo,
        admission: &Admission,
        context: &mut Context<'_>,
    ) -> Result<SeatRef, JoinError> {
        if self.draining {
            return Err(JoinError::Draining);
        }
        if self.seat_ref(connection).is_ok() {
            return Err(JoinError::AlreadyJoined);
        }
        let id = admission.room.id;
        let participant = ParticipantId(context.random.id());
        let place = SeatRef { room: id, participant };
        let Some(room) = self.rooms.get(&id) else {
            if self.rooms.len() >= self.limits.rooms {
                return Err(JoinError::TooManyRooms);
            }
            return Ok(place);
        };
        let (seats, limit) = (room.seats.len(), self.limits.participants_per_room);
        let (mine, mine_limit) = (room.seats_of(user.id).count(), self.limits.seats_per_user);
        if seats < limit && mine < mine_limit {
            return Ok(place);
        }
        match room.longest_away(user.id) {
            Some(participant) => {
                let given_up = SeatRef { room: id, participant };
                self.unseat(given_up, LeaveReason::ConnectionLost, context);
                Ok(place)
            }
            None if seats >= limit => Err(JoinError::RoomFull { limit }),
            None => Err(JoinError::TooManySeats { limit: mine_limit }),
        }
    }

    pub(super) fn resume(
        &mut self,
        connection: ConnectionId,
        request: u32,
        ask: &ResumeAsk,
        ice_servers: Vec<IceServer>,
        context: &mut Context<'_>,
    ) {
        match self.take_seat_again(connection, ask, context) {
            Err(error) => self.answer(connection, request, Err(error.into())),
            Ok(at) => {
                let resumed = self.resumed(at, ask.seq, ice_servers);
                let Some((resumed, events)) = resumed else { return };
                self.answer(connection, request, Ok(Reply::Resume(Box::new(resumed))));
                self.outputs.extend(events.into_iter().map(|(seq, event)| Output::Event {
                    connection,
                    seq,
                    event,
                }));
            }
        }
    }

    fn take_seat_again(
        &mut self,
        connection: ConnectionId,
        ask: &ResumeAsk,
        context: &mut Context<'_>,
    ) -> Result<SeatRef, ResumeError> {
        let Some(record) = self.connections.get(&connection) else {
            return Err(ResumeError::Refused);
        };
        if record.seat.is_some() {
            return Err(ResumeError::AlreadyJoined);
        }
        let (user, login) = (record.user, record.login);
        let used = Ticket::from_text(&ask.ticket).ok_or(ResumeError::Refused)?;
        let at = *self.tickets.get(&used).ok_or(ResumeError::Refused)?;
        let seat = self
            .seat_mut(at)
            .filter(|seat| seat.user.id == user && seat.epoch == ask.epoch)
            .ok_or(ResumeError::Refused)?;

        seat.login = login;
        let next = context.random.ticket();
        let before = std::mem::replace(&mut seat.whereabouts, Whereabouts::Here { connection });
        let old_tickets = [Some(seat.ticket), seat.spent_ticket];
        seat.ticket = next;
        seat.spent_ticket = Some(used);
        for ticket in old_tickets.into_iter().flatten().filter(|ticket| *ticket != used) {
            self.tickets.remove(&ticket);
        }
        self.tickets.insert(next, at);
        if let Some(record) = self.connections.get_mut(&connection) {
            record.seat = Some(at);
        }
        match before {
            Whereabouts::Here { connection: old } => {
                if let Some(record) = self.connections.get_mut(&old) {
                    record.seat = None;
                }
                let code = CloseCode::Replaced;
                self.outputs.push_back(Output::Close { connection: old, code });
            }
            Whereabouts::Away { .. } => {
                let participant = at.participant;
                self.tell_others(at, RoomEvent::ParticipantAway { participant, away: false });
            }
        }
        Ok(at)
    }

    /// The answer to a resume, and the events that follow it.
    fn resumed(
        &self,
        at: SeatRef,
        seen: u64,
        ice_servers: Vec<IceServer>,
    ) -> Option<(Resumed, Missed)> {
        let room = self.rooms.get(&at.room)?;
        let seat = room.seats.get(&at.participant)?;
        let missed = seat.log.after(seen);
        let snapshot = missed.is_none().then(|| room.snapshot(at.participant));
        let events = missed.into_iter().flatten().map(|(seq, it)| (seq, it.clone())).collect();
        let resumed = Resumed {
            participant: at.participant,
            seq: seat.log.last(),
            resume_ticket: seat.ticket.to_text(),
            ice_servers,
            snapshot,
        };
        Some((resumed, events))
    }

    /// The holder of the newest ticket spoke: it has it, and the one before is worth nothing.
    pub(super) fn forget_spent_ticket(&mut self, at: SeatRef) {
        if let Some(spent) = self.seat_mut(at).and_then(|seat| seat.spent_ticket.take()) {
            self.tickets.remove(&spent);
        }
    }

    pub(super) fn set_away(&mut self, at: SeatRef, context: &mut Context<'_>) {
        let now = context.now;
        let Some(seat) = self.seat_mut(at) else { return };
        seat.whereabouts = Whereabouts::Away { since: now };
        seat.negotiation.forget_waiting();
        self.timers.insert((now + self.limits.grace, Timer::Grace(at)));
        let participant = at.participant;
        self.tell_others(at, RoomEvent::ParticipantAway { participant, away: true });
    }

    pub(super) fn end_grace(&mut self, at: SeatRef, context: &mut Context<'_>) {
        let Some(seat) = self.seat_mut(at) else { return };
        // It may have come back, and gone again later: then another deadline is to come.
        if let Whereabouts::Away { since } = seat.whereabouts
            && since + self.limits.grace <= context.now
        {
            self.unseat(at, LeaveReason::ConnectionLost, context);
        }
    }

    pub(super) fn unseat(&mut self, at: SeatRef, reason: LeaveReason, context: &mut Context<'_>) {
        let Some(room) = self.rooms.get_mut(&at.room) else { return };
        let Some(mut seat) = room.seats.remove(&at.participant) else { return };
        if room.seats.is_empty() {
            self.rooms.remove(&at.room);
        }
        self.tickets.remove(&seat.ticket);
        if let Some(spent) = seat.spent_ticket {
            self.tickets.remove(&spent);
        }
        if let Some(record) = seat.connection().and_then(|it| self.connections.get_mut(&it)) {
            record.seat = None;
        }
        match reason {
            LeaveReason::Left | LeaveReason::ConnectionLost => {}
            LeaveReason::Removed | LeaveReason::Revoked | LeaveReason::RoomClosed => {
                let event = Arc::new(RoomEvent::Removed { reason });
                seat.tell(&event, self.limits.replay_events, &mut self.outputs);
            }
        }
        self.leave_media(at, context);
        let participant = at.participant;
        self.tell_others(at, RoomEvent::ParticipantLeft { participant, reason });
        self.count(at.room);
    }

    /// `whose` names a user or a login; ids are random, so that it cannot name both.
    pub(super) fn revoke(&mut self, whose: Uuid, context: &mut Context<'_>) {
        let ended = |user: UserId, login: Uuid| user.0 == whose || login == whose;
        let seats: Vec<SeatRef> = self
            .rooms
            .iter()
            .flat_map(|(room, it)| {
                let seats = it.seats.values().filter(|seat| ended(seat.user.id, seat.login));
                seats.map(|seat| SeatRef { room: *room, participant: seat.id })
            })
            .collect();
        for at in seats {
            self.unseat(at, LeaveReason::Revoked, context);
        }
        let sockets = self.connections.iter().filter(|(_, it)| ended(it.user, it.login));
        self.outputs.extend(
            sockets.map(|(it, _)| Output::Close { connection: *it, code: CloseCode::Refused }),
        );
    }

    fn count(&mut self, room: RoomId) {
        let seats = self.rooms.get(&room).map_or(0, |room| room.seats.len());
        let participants = u32::try_from(seats).unwrap_or(u32::MAX);
        self.outputs.push_back(Output::InCall { room, participants });
    }
}
