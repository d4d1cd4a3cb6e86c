//! A hub with everything around it that a test moves by hand.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use confer_protocol::error::{CloseCode, ErrorBody, ErrorCode};
use confer_protocol::id::{Epoch, ParticipantId, RoomId, UserId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaEvent, MediaHappening};
use confer_protocol::room::{Permissions, RoomInfo, TrackSource, UserInfo};
use confer_protocol::server::{Joined, Notice, Reply, Resumed, RoomEvent};
use confer_signaling_core::hub::{Context, Input, Output, Parting};
use confer_signaling_core::ports::{Admission, MediaPlane};
use confer_signaling_core::{ConnectionId, Hub, Limits, Random, ResumeAsk, RoomAsk};
use uuid::Uuid;

pub(crate) const KITCHEN: RoomId = RoomId(Uuid::from_u128(0xaa));
pub(crate) const CELLAR: RoomId = RoomId(Uuid::from_u128(0xbb));

pub(crate) struct Desk {
    pub(crate) hub: Hub,
    pub(crate) media: FakeMedia,
    pub(crate) now: Instant,
    random: Counter,
    next_connection: u64,
    next_request: u32,
}

/// Keeps commands, or takes none while it is stuck.
#[derive(Default)]
pub(crate) struct FakeMedia {
    commands: Mutex<Vec<MediaCommand>>,
    stuck: AtomicBool,
}

impl FakeMedia {
    pub(crate) fn set_stuck(&self, stuck: bool) {
        self.stuck.store(stuck, Ordering::Relaxed);
    }

    /// Everything since the last look.
    pub(crate) fn take(&self) -> Vec<MediaCommand> {
        std::mem::take(&mut self.commands.lock().expect("one thread"))
    }

    pub(crate) fn take_actions(&self) -> Vec<MediaAction> {
        self.take().into_iter().map(|command| command.action).collect()
    }
}

impl MediaPlane for FakeMedia {
    fn send(&self, command: MediaCommand) -> Result<(), ErrorBody> {
        if self.stuck.load(Ordering::Relaxed) {
            return Err(ErrorBody::new(ErrorCode::Unavailable, "The shard is busy."));
        }
        self.commands.lock().expect("one thread").push(command);
        Ok(())
    }
}

struct Counter(u64);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        for (byte, value) in bytes.iter_mut().zip(self.0.to_be_bytes()) {
            *byte = value;
        }
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self {
            hub: Hub::new(limits),
            media: FakeMedia::default(),
            now: Instant::now(),
            random: Counter(0),
            next_connection: 0,
            next_request: 0,
        }
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Output> {
        let media = &self.media;
        let mut context = Context { media, random: &mut self.random, now: self.now };
        self.hub.handle_input(input, &mut context);
        std::iter::from_fn(|| self.hub.poll_output()).collect()
    }

    /// Moves time on, stopping at every deadline in between.
    pub(crate) fn advance(&mut self, by: Duration) -> Vec<Output> {
        let end = self.now + by;
        let mut outputs = Vec::new();
        while let Some(deadline) = self.hub.poll_timeout().filter(|deadline| *deadline <= end) {
            self.now = deadline;
            outputs.extend(self.input(Input::Timeout));
        }
        self.now = end;
        outputs
    }

    pub(crate) fn open(&mut self, name: &str) -> (ConnectionId, Vec<Output>) {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        let outputs =
            self.input(Input::Opened { connection, user: user(name).id, login: login(connection) });
        (connection, outputs)
    }

    pub(crate) fn next_request(&mut self) -> u32 {
        self.next_request += 1;
        self.next_request
    }

    pub(crate) fn join(
        &mut self,
        connection: ConnectionId,
        name: &str,
        room: RoomId,
    ) -> (Result<Joined, ErrorBody>, Vec<Output>) {
        let request = self.next_request();
        let admission = Admission {
            room: RoomInfo { id: room, name: "a room".to_owned() },
            permissions: permissions(name),
        };
        let ice_servers = Vec::new();
        let user = user(name);
        let join = Input::Join { connection, request, user, admission, ice_servers };
        let mut outputs = self.input(join);
        let joined = match take_answer(&mut outputs, request) {
            Some(Ok(Reply::Join(joined))) => Ok(*joined),
            Some(Err(error)) => Err(error),
            other => panic!("a join was answered with {other:?}"),
        };
        (joined, outputs)
    }

    /// Opens a connection and joins the kitchen.
    pub(crate) fn enter(&mut self, name: &str) -> (ConnectionId, Joined) {
        let (connection, _) = self.open(name);
        let (joined, _) = self.join(connection, name, KITCHEN);
        (connection, joined.expect("there is room"))
    }

    pub(crate) fn lose(&mut self, connection: ConnectionId) -> Vec<Output> {
        self.input(Input::Closed { connection, parting: Parting::Lost })
    }

    pub(crate) fn resume(
        &mut self,
        connection: ConnectionId,
        ticket: &str,
        epoch: Epoch,
        seq: u64,
    ) -> (Result<Resumed, ErrorBody>, Vec<Output>) {
        let request = self.next_request();
        let ask = ResumeAsk { ticket: ticket.to_owned(), epoch, seq };
        let ice_servers = Vec::new();
        let mut outputs = self.input(Input::Resume { connection, request, ask, ice_servers });
        let resumed = match take_answer(&mut outputs, request) {
            Some(Ok(Reply::Resume(resumed))) => Ok(*resumed),
            Some(Err(error)) => Err(error),
            other => panic!("a resume was answered with {other:?}"),
        };
        (resumed, outputs)
    }

    /// Asks something that is answered at once.
    pub(crate) fn ask(
        &mut self,
        connection: ConnectionId,
        ask: RoomAsk,
    ) -> (Result<Reply, ErrorBody>, Vec<Output>) {
        let (request, mut outputs) = self.post(connection, ask);
        let outcome = take_answer(&mut outputs, request).expect("it is answered at once");
        (outcome, outputs)
    }

    /// Asks something that may be answered later.
    pub(crate) fn post(&mut self, connection: ConnectionId, ask: RoomAsk) -> (u32, Vec<Output>) {
        let request = self.next_request();
        let outputs = self.input(Input::Ask { connection, request, ask });
        (request, outputs)
    }

    pub(crate) fn happens(
        &mut self,
        participant: ParticipantId,
        happening: MediaHappening,
    ) -> Vec<Output> {
        self.input(Input::Media(MediaEvent { room: KITCHEN, participant, happening }))
    }
}

/// The same id for the same name.
pub(crate) fn user(name: &str) -> UserInfo {
    let number = name.bytes().fold(0, |sum, byte| sum * 256 + u128::from(byte));
    UserInfo { id: UserId(Uuid::from_u128(number)), name: name.to_owned(), guest: false }
}

/// Every socket comes from a login of its own.
pub(crate) fn login(connection: ConnectionId) -> Uuid {
    Uuid::from_u128(u128::from(connection.0) << 64)
}

/// The owner moderates, the viewer publishes nothing, and all but the deaf receive.
fn permissions(name: &str) -> Permissions {
    let publish = if name == "viewer" { Vec::new() } else { TrackSource::ALL.to_vec() };
    Permissions {
        publish,
        subscribe: name != "deaf",
        chat_read: true,
        chat_write: true,
        moderate: name == "owner",
    }
}

/// Removes and returns the answer to a request; there is at most one.
pub(crate) fn take_answer(
    outputs: &mut Vec<Output>,
    wanted: u32,
) -> Option<Result<Reply, ErrorBody>> {
    let mut answers = Vec::new();
    outputs.retain(|output| match output {
        Output::Answer { request, outcome, .. } if *request == wanted => {
            answers.push(outcome.clone());
            false
        }
        _ => true,
    });
    assert!(answers.len() <= 1, "{answers:?}");
    answers.pop()
}

/// The events for one connection, numbered.
pub(crate) fn events(outputs: &[Output], to: ConnectionId) -> Vec<(u64, RoomEvent)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Event { connection, seq, event } if *connection == to => {
                Some((*seq, RoomEvent::clone(event)))
            }
            _ => None,
        })
        .collect()
}

/// The only event for one connection.
pub(crate) fn only_event(outputs: &[Output], to: ConnectionId) -> RoomEvent {
    match events(outputs, to).as_slice() {
        [(_, event)] => event.clone(),
        other => panic!("expected one event, got {other:?}"),
    }
}

pub(crate) fn notices(outputs: &[Output], to: ConnectionId) -> Vec<Notice> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Notice { connection, notice } if *connection == to => {
                Some(Notice::clone(notice))
            }
            _ => None,
        })
        .collect()
}

pub(crate) fn closes(outputs: &[Output]) -> Vec<(ConnectionId, CloseCode)> {
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Close { connection, code } => Some((*connection, *code)),
            _ => None,
        })
        .collect()
}
