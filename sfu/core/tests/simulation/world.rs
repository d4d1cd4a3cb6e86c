//! A shard and its clients on an emulated network, in simulated time.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confer_protocol::client::SubscriptionWish;
use confer_protocol::error::ErrorBody;
use confer_protocol::id::{Mid, ParticipantId, RoomId, TrackId};
use confer_protocol::media::{
    MediaAction, MediaAnswer, MediaCommand, MediaEvent, MediaHappening, PublishTrack,
};
use confer_protocol::room::{SlotDemand, SlotMap, TrackSource};
use confer_protocol::server::TransportState;
use confer_sfu_core::io::ShardConfig;
use confer_sfu_core::limits::Limits;
use confer_sfu_core::rtp::rtcp::{self, Message, RtcpWriter};
use confer_sfu_core::rtp::{RtpView, Ssrc};
use confer_sfu_core::shard::Shard;
use confer_sfu_core::transport::dtls::Certificate;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::client::{Arrived, Client, Line};
use crate::publisher::Publisher;
use crate::receiver::Receiver;

/// How often clients look at their timers.
const CLIENT_TICK: Duration = Duration::from_millis(5);

/// What a direction of a link does to datagrams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) delay: Duration,
    /// Of 1000.
    pub(crate) loss: u32,
    /// Of 1000 datagrams, how many are held back for up to 30 ms.
    pub(crate) reorder: u32,
    /// Of 1000 datagrams, how many come twice.
    pub(crate) duplicate: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self { delay: Duration::from_millis(10), loss: 0, reorder: 0, duplicate: 0 }
    }
}

/// One client with all it sends and receives.
pub(crate) struct Person {
    pub(crate) id: ParticipantId,
    pub(crate) client: Client,
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) lines: Vec<Line>,
    pub(crate) publish: Vec<PublishTrack>,
    pub(crate) slots: SlotMap,
    pub(crate) state: Option<TransportState>,
    pub(crate) states: Vec<TransportState>,
    pub(crate) slot_changes: usize,
    pub(crate) sdp_bytes: usize,
    pub(crate) last_answer: Option<Result<MediaAnswer, ErrorBody>>,
    pub(crate) uplink: Link,
    pub(crate) downlink: Link,
    pub(crate) feedback_messages: u64,
    pub(crate) asks: bool,
    transport_seq: u16,
    next_offer: u32,
}

impl Person {
    /// What the slot that carries a track received.
    pub(crate) fn receiver_of(&self, track: u8) -> &Receiver {
        self.receivers
            .iter()
            .find(|receiver| receiver.got.values().any(|got| got.content.track == track))
            .unwrap_or_else(|| panic!("nothing of track {track} came"))
    }

    pub(crate) fn got_any_of(&self, track: u8) -> bool {
        self.receivers
            .iter()
            .any(|receiver| receiver.got.values().any(|got| got.content.track == track))
    }
}

enum Target {
    Shard { from: SocketAddr },
    Person(usize),
}

pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) now: Instant,
    pub(crate) room: RoomId,
    pub(crate) people: Vec<Person>,
    pub(crate) speakers: Vec<Vec<ParticipantId>>,
    pub(crate) server: SocketAddr,
    rng: StdRng,
    in_flight: BTreeMap<(Instant, u64), (Target, Vec<u8>)>,
    sent: u64,
    places: HashMap<SocketAddr, usize>,
    next_client_tick: Instant,
    /// Datagrams in runs of more than one, and all.
    pub(crate) in_runs: u64,
    pub(crate) datagrams: u64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with_limits(seed, Limits::default())
    }

    pub(crate) fn with_limits(seed: u64, limits: Limits) -> Self {
        let now = Instant::now();
        let server: SocketAddr = "127.0.0.1:7000".parse().expect("valid");
        let mut rng = StdRng::seed_from_u64(seed);
        let config = ShardConfig {
            candidates: vec![server],
            certificate: Certificate::generate().expect("randomness"),
            limits,
            seed: rng.random(),
        };
        Self {
            shard: Shard::new(config, now),
            now,
            room: RoomId(Uuid::from_u128(1)),
            people: Vec::new(),
            speakers: Vec::new(),
            server,
            rng,
            in_flight: BTreeMap::new(),
            sent: 0,
            places: HashMap::new(),
            next_client_tick: now,
            in_runs: 0,
            datagrams: 0,
        }
    }

    /// Somebody joins with these tracks and slots, and offers.
    pub(crate) fn join(
        &mut self,
        sources: &[TrackSource],
        audio_slots: usize,
        video_slots: usize,
    ) -> usize {
        let mut lines = Vec::new();
        let mut publish = Vec::new();
        let place = self.people.len();
        for source in sources {
            let mid = lines.len().to_string();
            lines.push(match source.kind() {
                confer_protocol::room::MediaKind::Audio => Line::audio(mid.clone(), "sendonly"),
                confer_protocol::room::MediaKind::Video => Line::video(mid.clone(), "sendonly"),
            });
            let number = (place * 10 + publish.len()) as u128;
            publish.push(PublishTrack {
                mid: Mid(mid),
                track: TrackId(Uuid::from_u128(0x1000 + number)),
                source: *source,
                muted: false,
            });
        }
        for _ in 0..audio_slots {
            lines.push(Line::audio(lines.len().to_string(), "recvonly"));
        }
        for _ in 0..video_slots {
            lines.push(Line::video(lines.len().to_string(), "recvonly"));
        }
        self.join_with(lines, publish)
    }

    /// Somebody joins with these m-lines.
    pub(crate) fn join_with(&mut self, lines: Vec<Line>, publish: Vec<PublishTrack>) -> usize {
        let place = self.people.len();
        let id = ParticipantId(Uuid::from_u128(0x100 + place as u128));
        let port = 20_000 + u16::try_from(place).expect("few");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        self.places.insert(address, place);
        self.people.push(Person {
            id,
            client: Client::new(address),
            publishers: Vec::new(),
            receivers: Vec::new(),
            lines,
            publish,
            slots: SlotMap::default(),
            state: None,
            states: Vec::new(),
            slot_changes: 0,
            sdp_bytes: 0,
            last_answer: None,
            uplink: Link::default(),
            downlink: Link::default(),
            feedback_messages: 0,
            asks: true,
            transport_seq: 65_000,
            next_offer: 1,
        });
        self.command(place, MediaAction::Join { subscribe: true });
        self.offer(place);
        place
    }

    /// Offers what the person's lines and publications are now.
    pub(crate) fn offer(&mut self, place: usize) {
        let person = &mut self.people[place];
        let sdp = person.client.offer(&person.lines);
        person.sdp_bytes += sdp.len();
        let offer_id = person.next_offer;
        person.next_offer += 1;
        person.last_answer = None;
        let publish = person.publish.clone();
        self.command(place, MediaAction::Offer { offer_id, sdp, publish });
        let Some(Ok(answer)) = self.people[place].last_answer.clone() else { return };
        let now = self.now;
        let person = &mut self.people[place];
        person.sdp_bytes += answer.sdp.len();
        person.slots = answer.slots;
        for slot in person.client.answered(&answer.sdp, now) {
            if !person.receivers.iter().any(|known| known.slot == slot) {
                person.receivers.retain(|known| known.slot.mid != slot.mid);
                person.receivers.push(Receiver::new(slot));
            }
        }
        for (index, published) in answer.published.iter().enumerate() {
            if person.publishers.iter().any(|known| known.track == published.track) {
                continue;
            }
            let is_video = published.source.kind() == confer_protocol::room::MediaKind::Video;
            let tag = u8::try_from(place * 2 + index + 1).expect("few");
            let mid = &published.mid.0;
            person.publishers.push(Publisher::new(published.track, mid, tag, is_video, now));
        }
    }

    pub(crate) fn command(&mut self, place: usize, action: MediaAction) {
        let command = MediaCommand { room: self.room, participant: self.people[place].id, action };
        self.shard.handle_command(command, self.now);
        self.drain();
    }

    pub(crate) fn leave(&mut self, place: usize) {
        self.command(place, MediaAction::Leave);
        for publisher in &mut self.people[place].publishers {
            publisher.is_on = false;
        }
    }

    pub(crate) fn mute(&mut self, place: usize, track: usize, muted: bool) {
        let track = self.people[place].publishers[track].track;
        self.command(place, MediaAction::Mute { track, muted });
    }

    pub(crate) fn subscribe(
        &mut self,
        place: usize,
        wishes: Vec<SubscriptionWish>,
        layout: SlotDemand,
    ) {
        self.command(place, MediaAction::Subscribe { wishes, layout });
    }

    /// The client's packets come from another port from now on.
    pub(crate) fn move_person(&mut self, place: usize, port: u16) {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        self.places.insert(address, place);
        self.people[place].client.move_to(address, self.now);
    }

    /// Runs until everybody is connected.
    pub(crate) fn connect(&mut self) {
        for _ in 0..500 {
            if self.people.iter().all(|person| person.client.is_connected()) {
                self.run_for(Duration::from_millis(100));
                return;
            }
            self.run_for(Duration::from_millis(20));
        }
        panic!("not everybody connected");
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let delivery = self.in_flight.first_key_value().map(|((at, _), _)| *at);
            let shard = self.shard.poll_timeout();
            let next = [delivery, shard, Some(self.next_client_tick)]
                .into_iter()
                .flatten()
                .min()
                .expect("clients always tick");
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            if delivery == Some(next) {
                // All that arrives now is one receive batch.
                while let Some(entry) = self.in_flight.first_entry() {
                    if entry.key().0 > self.now {
                        break;
                    }
                    let (target, bytes) = entry.remove();
                    self.deliver(target, bytes);
                }
            } else if shard == Some(next) {
                self.shard.handle_timeout(self.now);
            } else {
                self.next_client_tick = self.now + CLIENT_TICK;
                self.tick_clients();
            }
            self.drain();
        }
    }

    fn deliver(&mut self, target: Target, mut bytes: Vec<u8>) {
        match target {
            Target::Shard { from } => {
                self.shard.handle_datagram(from, self.server, &mut bytes, self.now);
            }
            Target::Person(place) => {
                let now = self.now;
                let person = &mut self.people[place];
                match person.client.handle_datagram(&mut bytes, now) {
                    Some(Arrived::Rtp(packet)) => {
                        let view = RtpView::parse(&packet).expect("the server writes RTP");
                        let receiver = person
                            .receivers
                            .iter_mut()
                            .find(|receiver| receiver.is_of(view.ssrc))
                            .expect("only announced SSRCs are used");
                        receiver.take(&view, now);
                    }
                    Some(Arrived::Rtcp(compound)) => person.handle_rtcp(&compound),
                    None => {}
                }
            }
        }
    }

    fn tick_clients(&mut self) {
        let now = self.now;
        for person in &mut self.people {
            person.client.handle_timeout(now);
            let mut publishers = std::mem::take(&mut person.publishers);
            for publisher in &mut publishers {
                publisher.handle_timeout(&mut person.client, &mut person.transport_seq, now);
            }
            person.publishers = publishers;
            if person.asks {
                person.ask(now);
            }
        }
    }

    /// Moves everything that was produced to where it goes.
    fn drain(&mut self) {
        let now = self.now;
        let mut flights = Vec::new();
        while let Some(transmit) = self.shard.poll_transmit() {
            let Some(place) = self.places.get(&transmit.destination).copied() else { continue };
            let is_run = transmit.segment_size.is_some();
            let count = transmit.datagrams().count() as u64;
            assert!(!is_run || count > 1, "a run has several datagrams");
            self.datagrams += count;
            self.in_runs += if is_run { count } else { 0 };
            for datagram in transmit.datagrams() {
                flights.push((
                    Target::Person(place),
                    self.people[place].downlink,
                    datagram.to_vec(),
                ));
            }
        }
        for (place, person) in self.people.iter_mut().enumerate() {
            let from = person.client.address;
            for datagram in person.client.outbox.drain(..) {
                let _ = place;
                flights.push((Target::Shard { from }, person.uplink, datagram));
            }
        }
        for (target, link, bytes) in flights {
            self.fly(target, link, bytes, now);
        }
        while let Some(event) = self.shard.poll_event() {
            self.handle_event(event);
        }
    }

    fn fly(&mut self, target: Target, link: Link, bytes: Vec<u8>, now: Instant) {
        let mut chance = |of_thousand: u32| self.rng.random_range(0..1_000) < of_thousand;
        if chance(link.loss) {
            return;
        }
        let twice = chance(link.duplicate);
        let late = chance(link.reorder);
        let mut at = now + link.delay;
        if late {
            at += Duration::from_millis(self.rng.random_range(1..30));
        }
        if twice {
            let target = match &target {
                Target::Shard { from } => Target::Shard { from: *from },
                Target::Person(place) => Target::Person(*place),
            };
            let later = at + Duration::from_millis(self.rng.random_range(0..20));
            self.sent += 1;
            self.in_flight.insert((later, self.sent), (target, bytes.clone()));
        }
        self.sent += 1;
        self.in_flight.insert((at, self.sent), (target, bytes));
    }

    fn handle_event(&mut self, event: MediaEvent) {
        if let MediaHappening::Speakers { speakers } = event.happening {
            self.speakers.push(speakers);
            return;
        }
        let person = self
            .people
            .iter_mut()
            .find(|person| person.id == event.participant)
            .expect("events are about somebody");
        match event.happening {
            MediaHappening::Answered { outcome, .. } => person.last_answer = Some(outcome),
            MediaHappening::SlotsChanged { slots } => {
                assert!(slots.version > person.slots.version, "versions grow");
                person.slots = slots;
                person.slot_changes += 1;
            }
            MediaHappening::TransportChanged { state, security } => {
                assert_eq!(security.is_some(), state == TransportState::Connected);
                person.state = Some(state);
                person.states.push(state);
            }
            MediaHappening::Speakers { .. } => {}
        }
    }
}

impl Person {
    fn ask(&mut self, now: Instant) {
        let mut writer = RtcpWriter::default();
        for receiver in &mut self.receivers {
            let missing = receiver.missing(now);
            if receiver.slot.kind == "video" && !missing.is_empty() {
                writer.nack(Ssrc(1), receiver.ssrc(), &missing);
            }
            if receiver.pli_due.is_some_and(|due| due <= now) {
                receiver.pli_due = None;
                writer.pli(Ssrc(1), receiver.ssrc());
            }
        }
        if !writer.bytes().is_empty() {
            self.client.send_rtcp(writer.bytes());
        }
    }

    fn handle_rtcp(&mut self, compound: &[u8]) {
        // Transport-wide feedback is nothing the server reads, so its reader skips it.
        let mut rest = compound;
        while rest.len() >= 4 {
            let length = usize::from(u16::from_be_bytes([rest[2], rest[3]])) * 4 + 4;
            if rest[1] == 205 && rest[0] & 0x1f == 15 {
                self.feedback_messages += 1;
            }
            rest = &rest[length..];
        }
        let (client, seq) = (&mut self.client, &mut self.transport_seq);
        let (publishers, receivers) = (&mut self.publishers, &mut self.receivers);
        let malformed = rtcp::read(compound, |message| match message {
            Message::Nack { media, first, bitmap } => {
                let Some(publisher) = publishers.iter_mut().find(|one| one.ssrc == media) else {
                    return;
                };
                for bit in 0..=16_u16 {
                    if bit == 0 || bitmap & (1 << (bit - 1)) != 0 {
                        let wanted = first.0.wrapping_add(bit);
                        publisher.repeat(confer_sfu_core::rtp::SeqNo16(wanted), client, seq);
                    }
                }
            }
            Message::KeyframeRequest { media } => {
                if let Some(publisher) = publishers.iter_mut().find(|one| one.ssrc == media) {
                    publisher.want_keyframe();
                }
            }
            Message::SenderReport { ssrc, .. } => {
                if let Some(receiver) = receivers.iter_mut().find(|one| one.ssrc() == ssrc) {
                    receiver.senders_reported += 1;
                }
            }
            Message::Report(_) | Message::Bye { .. } => {}
        });
        assert_eq!(malformed, 0, "the server writes readable RTCP");
    }
}
