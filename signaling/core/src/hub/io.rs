use std::sync::Arc;
use std::time::{Duration, Instant};

use confer_protocol::error::{CloseCode, ErrorBody};
use confer_protocol::id::{ParticipantId, RoomId, UserId};
use confer_protocol::media::MediaEvent;
use confer_protocol::room::UserInfo;
use confer_protocol::server::{IceServer, Notice, Reply, RoomEvent};
use uuid::Uuid;

use crate::ask::{ResumeAsk, RoomAsk};
use crate::ports::{Admission, MediaPlane};
use crate::random::Random;

/// One socket, for as long as it is open. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What the hub is handed with every input.
pub struct Context<'a> {
    pub media: &'a dyn MediaPlane,
    pub random: &'a mut dyn Random,
    pub now: Instant,
}

/// Something the outside world did.
#[derive(Debug)]
pub enum Input {
    /// A socket was authenticated. The first input about it.
    Opened {
        connection: ConnectionId,
        user: UserId,
        /// The login its token came from.
        login: Uuid,
    },
    /// A socket is gone. The last input about it.
    Closed {
        connection: ConnectionId,
        parting: Parting,
    },
    Join {
        connection: ConnectionId,
        request: u32,
        user: UserInfo,
        admission: Admission,
        ice_servers: Vec<IceServer>,
    },
    Resume {
        connection: ConnectionId,
        request: u32,
        ask: ResumeAsk,
        ice_servers: Vec<IceServer>,
    },
    IceServers {
        connection: ConnectionId,
        request: u32,
        ice_servers: Vec<IceServer>,
    },
    Ask {
        connection: ConnectionId,
        request: u32,
        ask: RoomAsk,
    },
    Media(MediaEvent),
    /// The right to be here of a user, or of one login, ended.
    Revoke(Uuid),
    /// The server goes away: tells everybody to come back after this long, and seats nobody more.
    Drain {
        retry_after: Duration,
    },
    /// Time has reached [`Hub::poll_timeout`](super::Hub::poll_timeout).
    Timeout,
}

/// How a socket went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It broke, or closed to be opened again: the seat is kept for a while.
    Lost,
    /// Whoever held it said goodbye.
    Left,
}

/// Something the caller must now do. Those of one connection are in order.
#[derive(Debug, PartialEq)]
pub enum Output {
    Answer {
        connection: ConnectionId,
        request: u32,
        outcome: Result<Reply, ErrorBody>,
    },
    Event {
        connection: ConnectionId,
        seq: u64,
        event: Arc<RoomEvent>,
    },
    Notice {
        connection: ConnectionId,
        notice: Arc<Notice>,
    },
    Close {
        connection: ConnectionId,
        code: CloseCode,
    },
    /// How many are in the call of this room now.
    InCall {
        room: RoomId,
        participants: u32,
    },
}

/// One participant's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeatRef {
    pub room: RoomId,
    pub participant: ParticipantId,
}
