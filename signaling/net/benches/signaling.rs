//! What a socket costs while nothing happens, and what an event costs in a large room.
//!
//! `cargo bench -p confer-signaling-net`. Prints the machine's numbers; asserts nothing about time.

#![expect(clippy::print_stdout, reason = "what a benchmark prints is its result")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use confer_auth::{Grants, Identity};
use confer_protocol::chat::{
    ConversationCursor, HistoryPage, HistoryQuery, MessageSeq, NewMessage, Receipt, SendReceipt,
};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::{ConversationId, Epoch, ParticipantId, RoomId, UserId};
use confer_protocol::media::{MediaCommand, MediaEvent, MediaHappening};
use confer_protocol::room::{Permissions, RoomInfo, UserInfo};
use confer_protocol::server::{IceServer, Reply};
use confer_signaling_core::hub::{Context, Input, Output};
use confer_signaling_core::ports::SyncedFeed;
use confer_signaling_core::ports::{Admission, ChatPlane, Directory, MediaPlane, PortFuture};
use confer_signaling_core::{ConnectionId, Hub, Limits, Random};
use confer_signaling_net::{Config, Ports, start};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Sockets of the idle measurement; each is two file descriptors here.
const SOCKETS: usize = 4000;
/// Participants of the room whose events are measured.
const PARTICIPANTS: u64 = 500;

fn main() {
    joins();
    idle();
}

/// The hub alone: a room fills one by one, and everybody is told of everybody.
fn joins() {
    let mut hub = Hub::new(Limits::default());
    let mut random = Counter(0);
    let started = Instant::now();
    let mut events = 0_u64;
    let mut last: Option<ParticipantId> = None;
    for number in 1..=PARTICIPANTS {
        let connection = ConnectionId(number);
        let user = person(number);
        let join = Input::Join {
            connection,
            request: 1,
            user: user.clone(),
            admission: admission(RoomId(Uuid::nil())),
            ice_servers: Vec::new(),
        };
        for input in [Input::Opened { connection, user: user.id, login: Uuid::nil() }, join] {
            let now = Instant::now();
            hub.handle_input(input, &mut Context { media: &Deaf, random: &mut random, now });
            while let Some(output) = hub.poll_output() {
                match output {
                    Output::Event { .. } => events += 1,
                    Output::Answer { outcome: Ok(Reply::Join(joined)), .. } => {
                        last = Some(joined.participant);
                    }
                    other => drop(other),
                }
            }
        }
    }
    let per_event = started.elapsed().as_nanos() / u128::from(events.max(1));
    println!("room of {PARTICIPANTS}: joins with {events} events, {per_event} ns per event");

    let participant = last.expect("somebody joined");
    let rounds = 2000_u32;
    let started = Instant::now();
    for _ in 0..rounds {
        let happening = MediaHappening::Speakers { speakers: vec![participant] };
        let event = MediaEvent { room: RoomId(Uuid::nil()), participant, happening };
        let now = Instant::now();
        let mut context = Context { media: &Deaf, random: &mut random, now };
        hub.handle_input(Input::Media(event), &mut context);
        while hub.poll_output().is_some() {}
    }
    let per_round = started.elapsed() / rounds;
    println!("room of {PARTICIPANTS}: speakers told to all in {per_round:?}");
}

/// Real sockets that are authenticated and then silent. Their clients are bare file descriptors, so
/// that what the process grows by is the server's.
fn idle() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (_events, media_events) = mpsc::channel(1);
    let ports =
        Ports { media: Arc::new(Deaf), chat: Arc::new(Mute), directory: Arc::new(Everybody) };
    let address = runtime.block_on(async {
        let (_, router) = start(ports, media_events, Config::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    });
    // The first sockets pay for what is allocated once.
    let warm: Vec<TcpStream> = (0..200).map(|_| connect(address)).collect();
    let before = resident_bytes();
    let started = Instant::now();
    let sockets: Vec<TcpStream> = (0..SOCKETS).map(|_| connect(address)).collect();
    let took = started.elapsed();
    let grown = resident_bytes().saturating_sub(before);
    println!(
        "idle sockets: {} bytes each, {SOCKETS} opened and welcomed in {took:?}",
        grown / SOCKETS
    );
    drop((warm, sockets));
}

fn connect(address: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "GET /v1/connect HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: confer.v1, confer.bearer.token\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).expect("it reads");
    // The answer to the handshake and the welcome, whose last field ends it.
    let mut heard = Vec::new();
    while !heard.ends_with(b"262144}") {
        let mut buffer = [0; 1024];
        let length = socket.read(&mut buffer).expect("it answers");
        assert!(length > 0, "the server closed: {}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&buffer[..length]);
    }
    socket
}

/// Resident memory of this process.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it is there");
    let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024
}

fn person(number: u64) -> UserInfo {
    let id = UserId(Uuid::from_u128(number.into()));
    UserInfo { id, name: format!("participant {number}"), guest: false }
}

fn admission(room: RoomId) -> Admission {
    let permissions = Permissions { subscribe: true, ..Permissions::default() };
    Admission { room: RoomInfo { id: room, name: "a room".to_owned() }, permissions }
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

/// Takes every command and does nothing.
struct Deaf;

impl MediaPlane for Deaf {
    fn send(&self, _command: MediaCommand) -> Result<(), ErrorBody> {
        Ok(())
    }
}

/// Lets everybody in.
struct Everybody;

impl Directory for Everybody {
    fn authenticate<'a>(&'a self, _token: &'a str) -> PortFuture<'a, Result<Identity, ErrorBody>> {
        Box::pin(async {
            Ok(Identity {
                user: person(u64::from_be_bytes(
                    *Uuid::new_v4().as_bytes().first_chunk().expect("16"),
                )),
                grants: Grants::account(),
                expires_at: time::OffsetDateTime::UNIX_EPOCH.into(),
                family: Uuid::nil(),
            })
        })
    }

    fn remaining(&self, _identity: &Identity) -> Duration {
        Duration::from_secs(3600)
    }

    fn admit<'a>(
        &'a self,
        _identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<Admission, ErrorBody>> {
        Box::pin(async move { Ok(admission(room)) })
    }

    fn ice_servers(&self, _identity: &Identity) -> Vec<IceServer> {
        Vec::new()
    }
}

/// Refuses to chat.
struct Mute;

fn refusal<'a, T: 'a>() -> PortFuture<'a, Result<T, ErrorBody>> {
    Box::pin(async { Err(ErrorBody::new(ErrorCode::Unavailable, "There is no chat here.")) })
}

impl ChatPlane for Mute {
    fn send<'a>(
        &'a self,
        _: &'a Identity,
        _: ConversationId,
        _: NewMessage,
    ) -> PortFuture<'a, Result<SendReceipt, ErrorBody>> {
        refusal()
    }

    fn history<'a>(
        &'a self,
        _: &'a Identity,
        _: ConversationId,
        _: HistoryQuery,
    ) -> PortFuture<'a, Result<HistoryPage, ErrorBody>> {
        refusal()
    }

    fn mark<'a>(
        &'a self,
        _: &'a Identity,
        _: ConversationId,
        _: Option<MessageSeq>,
        _: Option<MessageSeq>,
    ) -> PortFuture<'a, Result<Receipt, ErrorBody>> {
        refusal()
    }

    fn typing<'a>(
        &'a self,
        _: &'a Identity,
        _: ConversationId,
    ) -> PortFuture<'a, Result<(), ErrorBody>> {
        refusal()
    }

    fn sync<'a>(
        &'a self,
        _: &'a Identity,
        _: Option<Epoch>,
        _: Vec<ConversationCursor>,
    ) -> PortFuture<'a, Result<SyncedFeed, ErrorBody>> {
        refusal()
    }
}
