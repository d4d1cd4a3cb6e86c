//! Who is in which room. One hub owns its rooms; everything reaches it as an [`Input`].
//!
//! Feed one input, drain [`Hub::poll_output`] until it returns `None`, then wait no longer than
//! [`Hub::poll_timeout`]. The media plane is the one port called from within: it only queues, and
//! what it refuses must be undone before anybody is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use confer_protocol::error::{CloseCode, ErrorBody};
use confer_protocol::id::{ParticipantId, RoomId, UserId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaEvent, MediaHappening};
use confer_protocol::server::{LeaveReason, Notice, Reply, RoomEvent};
use uuid::Uuid;

use crate::Limits;
use crate::ask::RoomAsk;
use crate::error::{NotJoined, OfferError, RemoveError};
use crate::offer::{self, Offer};
use crate::random::Ticket;
use crate::room::Room;
use crate::seat::Seat;

mod io;
mod membership;
mod tracks;

pub use io::{ConnectionId, Context, Input, Output, Parting, SeatRef};

/// Rooms, seats and the sockets that speak for them. See the module.
#[derive(Debug)]
pub struct Hub {
    limits: Limits,
    rooms: BTreeMap<RoomId, Room>,
    connections: BTreeMap<ConnectionId, Connection>,
    sockets: BTreeMap<UserId, BTreeSet<ConnectionId>>,
    tickets: BTreeMap<Ticket, SeatRef>,
    timers: BTreeSet<(Instant, Timer)>,
    /// Leaves that the media plane had no room for; they are offered again, because a participant
    /// forgotten there would be sent media for ever.
    undelivered: VecDeque<MediaCommand>,
    draining: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Connection {
    user: UserId,
    login: Uuid,
    seat: Option<SeatRef>,
}

/// What a deadline is for. Those that no longer matter are passed over when they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Grace(SeatRef),
    Offer(SeatRef, u32),
    Undelivered,
}

/// Leaves kept for a media plane that takes nothing; older ones are dropped, it is gone by then.
const UNDELIVERED_CAPACITY: usize = 4096;
/// How soon they are offered again.
const UNDELIVERED_RETRY: Duration = Duration::from_millis(100);

impl Hub {
    /// A hub without anybody.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            rooms: BTreeMap::new(),
            connections: BTreeMap::new(),
            sockets: BTreeMap::new(),
            tickets: BTreeMap::new(),
            timers: BTreeSet::new(),
            undelivered: VecDeque::new(),
            draining: false,
            outputs: VecDeque::new(),
        }
    }

    /// Advances the hub by one input.
    pub fn handle_input(&mut self, input: Input, context: &mut Context<'_>) {
        self.run_timers(context);
        match input {
            Input::Opened { connection, user, login } => self.open(connection, user, login),
            Input::Closed { connection, parting } => self.close(connection, parting, context),
            Input::Join { connection, request, user, admission, ice_servers } => {
                let outcome = self.join(connection, user, admission, ice_servers, context);
                self.answer(connection, request, outcome);
            }
            Input::Resume { connection, request, ask, ice_servers } => {
                self.resume(connection, request, &ask, ice_servers, context);
            }
            Input::IceServers { connection, request, ice_servers } => {
                let outcome = self
                    .seat_ref(connection)
                    .map(|_| Reply::IceServers { ice_servers })
                    .map_err(ErrorBody::from);
                self.answer(connection, request, outcome);
            }
            Input::Ask { connection, request, ask } => self.ask(connection, request, ask, context),
            Input::Media(event) => self.happened(event, context),
            Input::Revoke(whose) => self.revoke(whose, context),
            Input::Drain { retry_after } => self.drain(retry_after),
            Input::Timeout => {}
        }
    }

    /// Takes the next thing to do, in the order it was decided.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The latest instant at which the hub wants [`Input::Timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Rooms with somebody in them.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Everybody in a room, those away included.
    pub fn participants(&self) -> usize {
        self.rooms.values().map(|room| room.seats.len()).sum()
    }

    fn open(&mut self, connection: ConnectionId, user: UserId, login: Uuid) {
        let sockets = self.sockets.entry(user).or_default();
        if sockets.len() >= self.limits.sockets_per_user {
            self.outputs.push_back(Output::Close { connection, code: CloseCode::Replaced });
        }
        sockets.insert(connection);
        self.connections.insert(connection, Connection { user, login, seat: None });
    }

    fn close(&mut self, connection: ConnectionId, parting: Parting, context: &mut Context<'_>) {
        let Some(Connection { user, seat, .. }) = self.connections.remove(&connection) else {
            return;
        };
        if let Some(sockets) = self.sockets.get_mut(&user) {
            sockets.remove(&connection);
            if sockets.is_empty() {
                self.sockets.remove(&user);
            }
        }
        match (seat, parting) {
            (None, _) => {}
            (Some(at), Parting::Left) => self.unseat(at, LeaveReason::Left, context),
            (Some(at), Parting::Lost) => self.set_away(at, context),
        }
    }

    fn ask(
        &mut self,
        connection: ConnectionId,
        request: u32,
        ask: RoomAsk,
        context: &mut Context<'_>,
    ) {
        let at = match self.seat_ref(connection) {
            Ok(at) => at,
            Err(error) => return self.answer(connection, request, Err(error.into())),
        };
        self.forget_spent_ticket(at);
        let outcome = match ask {
            RoomAsk::Leave => {
                self.unseat(at, LeaveReason::Left, context);
                Ok(Reply::Leave)
            }
            RoomAsk::Offer { offer_id, sdp, publish } => {
                let offer = Offer { connection, request, offer_id, sdp, publish };
                match self.offer(at, offer, context) {
                    Ok(()) => return,
                    Err(error) => Err(error.into()),
                }
            }
            RoomAsk::Candidate { candidate } => context
                .media
                .send(at.command(MediaAction::Candidate { candidate }))
                .map(|()| Reply::Candidate),
            RoomAsk::Mute { track, muted } => {
                self.mute(at, track, muted, context).map(|()| Reply::Mute).map_err(ErrorBody::from)
            }
            RoomAsk::Unpublish { track } => self
                .unpublish(at, track, context)
                .map(|()| Reply::Unpublish)
                .map_err(ErrorBody::from),
            RoomAsk::Subscribe { wishes, layout } => self
                .subscribe(at, wishes, layout, context)
                .map(|()| Reply::Subscribe)
                .map_err(ErrorBody::from),
            RoomAsk::Remove { participant } => self
                .remove(at, participant, context)
                .map(|()| Reply::Remove)
                .map_err(ErrorBody::from),
        };
        self.answer(connection, request, outcome);
    }

    fn offer(
        &mut self,
        at: SeatRef,
        offer: Offer,
        context: &mut Context<'_>,
    ) -> Result<(), OfferError> {
        let offer_id = offer.offer_id;
        let Some(room) = self.rooms.get_mut(&at.room) else { return Ok(()) };
        let deadline = offer::take(room, at, offer, &self.limits, &mut self.outputs, context)?;
        self.timers.extend(deadline.map(|by| (by, Timer::Offer(at, offer_id))));
        Ok(())
    }

    fn remove(
        &mut self,
        at: SeatRef,
        participant: ParticipantId,
        context: &mut Context<'_>,
    ) -> Result<(), RemoveError> {
        if !self.seat_mut(at).is_some_and(|seat| seat.permissions.moderate) {
            return Err(RemoveError::NotModerator);
        }
        if participant == at.participant {
            return Err(RemoveError::Yourself);
        }
        let target = SeatRef { room: at.room, participant };
        let Some(seat) = self.seat_mut(target) else {
            return Err(RemoveError::NotHere { participant });
        };
        context.media.cut(seat.login);
        self.unseat(target, LeaveReason::Removed, context);
        Ok(())
    }

    fn happened(&mut self, event: MediaEvent, context: &mut Context<'_>) {
        let at = SeatRef { room: event.room, participant: event.participant };
        let Some(room) = self.rooms.get_mut(&at.room) else { return };
        let replay = self.limits.replay_events;
        match event.happening {
            MediaHappening::Answered { offer_id, outcome } => {
                let next = offer::answered(
                    room,
                    at,
                    offer_id,
                    outcome,
                    &self.limits,
                    &mut self.outputs,
                    context,
                );
                self.timers.extend(next.map(|(offer, by)| (by, Timer::Offer(at, offer))));
            }
            MediaHappening::SlotsChanged { slots } => {
                if let Some(seat) = room.seats.get_mut(&at.participant)
                    && slots.version > seat.slots.version
                {
                    seat.slots = slots.clone();
                    let event = Arc::new(RoomEvent::SlotsChanged { slots });
                    seat.tell(&event, replay, &mut self.outputs);
                }
            }
            // How the transport is secured is for the log, which the shell writes.
            MediaHappening::TransportChanged { state, security: _ } => {
                if let Some(seat) = room.seats.get_mut(&at.participant) {
                    let event = Arc::new(RoomEvent::TransportChanged { state });
                    seat.tell(&event, replay, &mut self.outputs);
                }
            }
            MediaHappening::Speakers { mut speakers } => {
                speakers.retain(|speaker| room.seats.contains_key(speaker));
                let notice = Arc::new(Notice::Speakers { speakers });
                let here = room.seats.values().filter_map(Seat::connection);
                self.outputs.extend(
                    here.map(|connection| Output::Notice { connection, notice: notice.clone() }),
                );
            }
        }
    }

    fn drain(&mut self, retry_after: Duration) {
        self.draining = true;
        let retry_after_ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
        let notice = Arc::new(Notice::Draining { retry_after_ms });
        let all = self.connections.keys();
        self.outputs
            .extend(all.map(|it| Output::Notice { connection: *it, notice: notice.clone() }));
    }

    fn run_timers(&mut self, context: &mut Context<'_>) {
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= context.now
        {
            self.timers.pop_first();
            match timer {
                Timer::Grace(seat) => self.end_grace(seat, context),
                Timer::Offer(at, offer_id) => {
                    if let Some(room) = self.rooms.get_mut(&at.room) {
                        let next = offer::timed_out(
                            room,
                            at,
                            offer_id,
                            &self.limits,
                            &mut self.outputs,
                            context,
                        );
                        self.timers.extend(next.map(|(offer, by)| (by, Timer::Offer(at, offer))));
                    }
                }
                Timer::Undelivered => self.deliver(context),
            }
        }
    }

    /// Tells the media plane that somebody left, again and again if need be.
    fn leave_media(&mut self, at: SeatRef, context: &mut Context<'_>) {
        self.undelivered.push_back(at.command(MediaAction::Leave));
        if self.undelivered.len() > UNDELIVERED_CAPACITY {
            self.undelivered.pop_front();
        }
        self.deliver(context);
    }

    fn deliver(&mut self, context: &mut Context<'_>) {
        // What waits keeps waiting: each room has its own shard, and one may be stuck.
        self.undelivered.retain(|command| context.media.send(command.clone()).is_err());
        if self.undelivered.is_empty() {
            return;
        }
        if !self.timers.iter().any(|(_, timer)| *timer == Timer::Undelivered) {
            self.timers.insert((context.now + UNDELIVERED_RETRY, Timer::Undelivered));
        }
    }

    fn seat_ref(&self, connection: ConnectionId) -> Result<SeatRef, NotJoined> {
        self.connections.get(&connection).and_then(|it| it.seat).ok_or(NotJoined)
    }

    fn seat_mut(&mut self, at: SeatRef) -> Option<&mut Seat> {
        self.rooms.get_mut(&at.room)?.seats.get_mut(&at.participant)
    }

    /// Tells everybody in a room but the one it is about: that one has its answer, and an echo
    /// could overtake what it wants next.
    fn tell_others(&mut self, about: SeatRef, event: RoomEvent) {
        if let Some(room) = self.rooms.get_mut(&about.room) {
            let replay = self.limits.replay_events;
            room.tell_others(about.participant, event, replay, &mut self.outputs);
        }
    }

    fn answer(
        &mut self,
        connection: ConnectionId,
        request: u32,
        outcome: Result<Reply, ErrorBody>,
    ) {
        self.outputs.push_back(Output::Answer { connection, request, outcome });
    }
}
