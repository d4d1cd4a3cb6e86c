//! A reference model of rooms against the hub: whatever people do, in whatever order, everybody
//! who is connected sees exactly who is there, who is away, and what they publish.

use std::collections::BTreeMap;
use std::time::Duration;

use confer_protocol::client::PublishIntent;
use confer_protocol::id::{Epoch, ParticipantId, RoomId, TrackId};
use confer_protocol::media::{MediaAction, MediaAnswer, MediaCommand, MediaEvent, MediaHappening};
use confer_protocol::room::{RoomSnapshot, SlotMap, TrackSource};
use confer_protocol::server::{Reply, RoomEvent};
use confer_signaling_core::hub::{Input, Output, Parting};
use confer_signaling_core::{ConnectionId, Limits, RoomAsk};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::desk::{CELLAR, Desk, KITCHEN};

const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "owner"];
const GRACE: Duration = Duration::from_secs(30);

/// What somebody does. `usize` picks one of those that are there.
#[derive(Clone, Copy, Debug)]
enum Step {
    Join {
        who: usize,
        cellar: bool,
    },
    Leave(usize),
    ClosePage(usize),
    LoseSocket(usize),
    /// Comes back with the newest ticket, even while the server thinks that the old socket lives.
    Resume(usize),
    Offer {
        who: usize,
        sources: u8,
    },
    /// Media answers the oldest offer it has.
    Answer,
    Mute {
        who: usize,
        muted: bool,
    },
    Unpublish(usize),
    Remove {
        who: usize,
        whom: usize,
    },
    Wait {
        seconds: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pick = 0..64_usize;
    let step = prop_oneof![
        4 => (pick.clone(), any::<bool>()).prop_map(|(who, cellar)| Step::Join { who, cellar }),
        1 => pick.clone().prop_map(Step::Leave),
        1 => pick.clone().prop_map(Step::ClosePage),
        3 => pick.clone().prop_map(Step::LoseSocket),
        4 => pick.clone().prop_map(Step::Resume),
        3 => (pick.clone(), 0..16_u8).prop_map(|(who, sources)| Step::Offer { who, sources }),
        4 => Just(Step::Answer),
        2 => (pick.clone(), any::<bool>()).prop_map(|(who, muted)| Step::Mute { who, muted }),
        1 => pick.clone().prop_map(Step::Unpublish),
        1 => (pick.clone(), pick).prop_map(|(who, whom)| Step::Remove { who, whom }),
        2 => (0..40_u64).prop_map(|seconds| Step::Wait { seconds }),
    ];
    vec(step, 1..80)
}

/// Who is in a room: participant to whether it is away and what it publishes.
type Roster = BTreeMap<ParticipantId, Seen>;

#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    away: bool,
    tracks: BTreeMap<TrackId, bool>,
}

/// One client as it understands what it is told.
#[derive(Debug)]
struct Client {
    name: &'static str,
    /// `None` while it has no socket.
    connection: Option<ConnectionId>,
    room: RoomId,
    me: ParticipantId,
    epoch: Epoch,
    seq: u64,
    ticket: String,
    roster: Roster,
    next_offer: u32,
}

impl Client {
    fn load(&mut self, snapshot: &RoomSnapshot) {
        self.roster = snapshot
            .participants
            .iter()
            .map(|it| {
                let tracks = it.tracks.iter().map(|track| (track.id, track.muted)).collect();
                (it.id, Seen { away: it.away, tracks })
            })
            .collect();
    }

    fn hear(&mut self, seq: u64, event: &RoomEvent) {
        assert_eq!(seq, self.seq + 1, "numbers have no holes");
        self.seq = seq;
        let roster = &mut self.roster;
        match event {
            RoomEvent::ParticipantJoined { participant } => {
                let before = roster.insert(participant.id, Seen::default());
                assert_eq!(before, None, "nobody joins twice");
            }
            RoomEvent::ParticipantLeft { participant, .. } => {
                roster.remove(participant).expect("only who is here leaves");
            }
            RoomEvent::ParticipantAway { participant, away } => {
                let seen = roster.get_mut(participant).expect("it is here");
                assert_ne!(seen.away, *away, "it changes");
                seen.away = *away;
            }
            RoomEvent::TrackPublished { track } => {
                let seen = roster.get_mut(&track.participant).expect("it is here");
                assert_eq!(seen.tracks.insert(track.id, track.muted), None);
            }
            RoomEvent::TrackUnpublished { participant, track } => {
                let seen = roster.get_mut(participant).expect("it is here");
                seen.tracks.remove(track).expect("it was published");
            }
            RoomEvent::TrackMuted { participant, track, muted } => {
                let seen = roster.get_mut(participant).expect("it is here");
                assert_eq!(seen.tracks.insert(*track, *muted), Some(!muted));
            }
            RoomEvent::SlotsChanged { .. }
            | RoomEvent::TransportChanged { .. }
            | RoomEvent::Removed { .. } => {}
        }
    }

    /// The room without itself: of its own tracks it knows from its answers.
    fn others(&self) -> Roster {
        let others = self.roster.iter().filter(|(id, _)| **id != self.me);
        others.map(|(id, seen)| (*id, seen.clone())).collect()
    }
}

/// The hub, the clients, and what is true.
struct World {
    desk: Desk,
    clients: Vec<Client>,
    truth: BTreeMap<RoomId, Roster>,
    /// When the seats of those away end.
    ends: BTreeMap<ParticipantId, std::time::Instant>,
    /// Offers that media has not answered.
    offers: Vec<MediaCommand>,
    in_media: BTreeMap<ParticipantId, RoomId>,
}

impl World {
    fn new() -> Self {
        let limits =
            Limits { grace: GRACE, replay_events: 6, seats_per_user: 1000, ..Limits::default() };
        Self {
            desk: Desk::with(limits),
            clients: Vec::new(),
            truth: BTreeMap::new(),
            ends: BTreeMap::new(),
            offers: Vec::new(),
            in_media: BTreeMap::new(),
        }
    }

    fn take(&mut self, step: Step) {
        let outputs = match step {
            Step::Join { who, cellar } => self.join(who, cellar),
            Step::Leave(who) => self.with_socket(who, |world, at| {
                let (left, outputs) = world.ask(at, RoomAsk::Leave);
                assert_eq!(left, Ok(Reply::Leave));
                world.gone(at);
                outputs
            }),
            Step::ClosePage(who) => self.with_socket(who, |world, at| {
                let connection = world.connection(at);
                let parting = Parting::Left;
                let outputs = world.desk.input(Input::Closed { connection, parting });
                world.gone(at);
                outputs
            }),
            Step::LoseSocket(who) => self.with_socket(who, |world, at| {
                let connection = world.connection(at);
                let outputs = world.desk.lose(connection);
                world.away(at);
                outputs
            }),
            Step::Resume(who) => self.resume(who),
            Step::Offer { who, sources } => {
                self.with_socket(who, |world, at| world.offer(at, sources))
            }
            Step::Answer => self.answer(),
            Step::Mute { who, muted } => self.with_track(who, |world, at, track| {
                let (done, outputs) = world.ask(at, RoomAsk::Mute { track, muted });
                assert_eq!(done, Ok(Reply::Mute));
                world.true_tracks(at).insert(track, muted);
                outputs
            }),
            Step::Unpublish(who) => self.with_track(who, |world, at, track| {
                let (done, outputs) = world.ask(at, RoomAsk::Unpublish { track });
                assert_eq!(done, Ok(Reply::Unpublish));
                world.true_tracks(at).remove(&track);
                outputs
            }),
            Step::Remove { who, whom } => self.remove(who, whom),
            Step::Wait { seconds } => self.wait(seconds),
        };
        self.deliver(&outputs);
        self.note_media();
        self.check();
    }

    fn join(&mut self, who: usize, cellar: bool) -> Vec<Output> {
        let name = PEOPLE[who % PEOPLE.len()];
        let room = if cellar { CELLAR } else { KITCHEN };
        let (connection, _) = self.desk.open(name);
        let (joined, outputs) = self.desk.join(connection, name, room);
        let joined = joined.expect("there is room for all");
        let me = joined.participant;
        let mut client = Client {
            name,
            connection: Some(connection),
            room,
            me,
            epoch: joined.epoch,
            seq: joined.seq,
            ticket: joined.resume_ticket,
            roster: Roster::new(),
            next_offer: 1,
        };
        client.load(&joined.snapshot);
        self.clients.push(client);
        self.truth.entry(room).or_default().insert(me, Seen::default());
        outputs
    }

    /// Anybody who holds a ticket may resume, whether the old socket was noticed to be gone or not.
    fn resume(&mut self, who: usize) -> Vec<Output> {
        if self.clients.is_empty() {
            return Vec::new();
        }
        let at = who % self.clients.len();
        let client = &self.clients[at];
        let (connection, _) = self.desk.open(client.name);
        let (ticket, epoch, seq) = (client.ticket.clone(), client.epoch, client.seq);
        let (resumed, outputs) = self.desk.resume(connection, &ticket, epoch, seq);
        let resumed = resumed.expect("clients whose seats are gone are forgotten");
        let client = &mut self.clients[at];
        client.connection = Some(connection);
        client.ticket = resumed.resume_ticket;
        if let Some(snapshot) = &resumed.snapshot {
            client.load(snapshot);
            client.seq = resumed.seq;
        }
        let (room, me) = (client.room, client.me);
        self.ends.remove(&me);
        self.true_seat(room, me).away = false;
        outputs
    }

    fn offer(&mut self, at: usize, sources: u8) -> Vec<Output> {
        let client = &mut self.clients[at];
        let offer_id = client.next_offer;
        client.next_offer += 1;
        let publish = (0..4_u8)
            .zip(TrackSource::ALL)
            .filter(|(bit, _)| sources & (1 << bit) != 0)
            .map(|(bit, source)| PublishIntent {
                mid: bit.to_string().as_str().into(),
                source,
                muted: false,
            })
            .collect();
        let connection = self.connection(at);
        self.desk.post(connection, RoomAsk::Offer { offer_id, sdp: String::new(), publish }).1
    }

    fn answer(&mut self) -> Vec<Output> {
        if self.offers.is_empty() {
            return Vec::new();
        }
        let MediaCommand { room, participant, action } = self.offers.remove(0);
        let MediaAction::Offer { offer_id, publish, .. } = action else { panic!("{action:?}") };
        // What is true changes only if the participant is still there.
        if let Some(seat) = self.truth.get_mut(&room).and_then(|it| it.get_mut(&participant)) {
            let before = std::mem::take(&mut seat.tracks);
            for it in &publish {
                let muted = before.get(&it.track).copied();
                seat.tracks.insert(it.track, muted.unwrap_or(it.muted));
            }
        }
        let outcome =
            Ok(MediaAnswer { sdp: String::new(), published: publish, slots: SlotMap::default() });
        let happening = MediaHappening::Answered { offer_id, outcome };
        self.desk.input(Input::Media(MediaEvent { room, participant, happening }))
    }

    fn remove(&mut self, who: usize, whom: usize) -> Vec<Output> {
        self.with_socket(who, |world, at| {
            let room = world.clients[at].room;
            let there: Vec<ParticipantId> = world.truth[&room].keys().copied().collect();
            let participant = there[whom % there.len()];
            let (done, outputs) = world.ask(at, RoomAsk::Remove { participant });
            let moderates = world.clients[at].name == "owner";
            assert_eq!(done.is_ok(), moderates && participant != world.clients[at].me);
            if done.is_ok() {
                let target = world.clients.iter().position(|it| it.me == participant);
                world.gone(target.expect("every seat has its client"));
            }
            outputs
        })
    }

    fn wait(&mut self, seconds: u64) -> Vec<Output> {
        let until = self.desk.now + Duration::from_secs(seconds);
        let ended: Vec<ParticipantId> =
            self.ends.iter().filter(|(_, end)| **end <= until).map(|(id, _)| *id).collect();
        for id in ended {
            let at = self.clients.iter().position(|it| it.me == id);
            self.gone(at.expect("every seat has its client"));
        }
        // Media is never late here; its deadlines have tests of their own.
        let mut outputs = Vec::new();
        while !self.offers.is_empty() {
            outputs.extend(self.answer());
            self.note_media();
        }
        outputs.extend(self.desk.advance(Duration::from_secs(seconds)));
        outputs
    }

    fn with_socket(
        &mut self,
        who: usize,
        act: impl FnOnce(&mut Self, usize) -> Vec<Output>,
    ) -> Vec<Output> {
        let here: Vec<usize> =
            (0..self.clients.len()).filter(|at| self.clients[*at].connection.is_some()).collect();
        match here.get(who % here.len().max(1)) {
            Some(at) => act(self, *at),
            None => Vec::new(),
        }
    }

    fn with_track(
        &mut self,
        who: usize,
        act: impl FnOnce(&mut Self, usize, TrackId) -> Vec<Output>,
    ) -> Vec<Output> {
        self.with_socket(who, |world, at| {
            // An answer under way may still name the track; unpublishing under an offer has a test
            // of its own.
            let me = world.clients[at].me;
            let is_offering = world.offers.iter().any(|it| it.participant == me);
            match world.true_tracks(at).keys().next().copied() {
                Some(track) if !is_offering => act(world, at, track),
                _ => Vec::new(),
            }
        })
    }

    fn ask(
        &mut self,
        at: usize,
        ask: RoomAsk,
    ) -> (Result<Reply, confer_protocol::error::ErrorBody>, Vec<Output>) {
        let connection = self.connection(at);
        self.desk.ask(connection, ask)
    }

    fn connection(&self, at: usize) -> ConnectionId {
        self.clients[at].connection.expect("it has a socket")
    }

    fn true_seat(&mut self, room: RoomId, participant: ParticipantId) -> &mut Seen {
        let roster = self.truth.get_mut(&room).expect("the room is there");
        roster.get_mut(&participant).expect("it is there")
    }

    fn true_tracks(&mut self, at: usize) -> &mut BTreeMap<TrackId, bool> {
        let (room, me) = (self.clients[at].room, self.clients[at].me);
        &mut self.true_seat(room, me).tracks
    }

    fn away(&mut self, at: usize) {
        let (room, me) = (self.clients[at].room, self.clients[at].me);
        self.clients[at].connection = None;
        self.true_seat(room, me).away = true;
        self.ends.insert(me, self.desk.now + GRACE);
    }

    /// The seat is gone for good, and its client with it.
    fn gone(&mut self, at: usize) {
        let client = self.clients.remove(at);
        let roster = self.truth.get_mut(&client.room).expect("the room is there");
        roster.remove(&client.me);
        if roster.is_empty() {
            self.truth.remove(&client.room);
        }
        self.ends.remove(&client.me);
    }

    fn deliver(&mut self, outputs: &[Output]) {
        for output in outputs {
            if let Output::Event { connection, seq, event } = output {
                let to = self.clients.iter_mut().find(|it| it.connection == Some(*connection));
                if let Some(client) = to {
                    client.hear(*seq, event);
                }
            }
        }
    }

    fn note_media(&mut self) {
        for command in self.desk.media.take() {
            match &command.action {
                MediaAction::Join { .. } => {
                    let before = self.in_media.insert(command.participant, command.room);
                    assert_eq!(before, None);
                }
                MediaAction::Leave => {
                    let room = self.in_media.remove(&command.participant);
                    assert_eq!(room, Some(command.room));
                }
                MediaAction::Offer { .. } => self.offers.push(command),
                MediaAction::Candidate { .. }
                | MediaAction::Mute { .. }
                | MediaAction::Unpublish { .. }
                | MediaAction::Subscribe { .. } => {}
            }
        }
    }

    fn check(&self) {
        for client in self.clients.iter().filter(|it| it.connection.is_some()) {
            let mut truth = self.truth[&client.room].clone();
            truth.remove(&client.me).expect("a client has a seat");
            assert_eq!(client.others(), truth, "{} sees the room as it is", client.name);
        }
        let seats: BTreeMap<ParticipantId, RoomId> = self
            .truth
            .iter()
            .flat_map(|(room, roster)| roster.keys().map(|id| (*id, *room)))
            .collect();
        assert_eq!(self.in_media, seats, "media has who signaling has");
        assert_eq!(self.desk.hub.participants(), seats.len());
        assert_eq!(self.desk.hub.rooms(), self.truth.len());
    }
}

#[test]
fn everybody_sees_the_room_as_it_is_whatever_happens() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, rng)
        .run(&steps(), |steps| {
            let mut world = World::new();
            for step in steps {
                world.take(step);
            }
            Ok(())
        })
        .expect("the model and the hub agree");
}
