//! One shard's world: rooms, participants, timers, outputs.
//!
//! This file is the drive contract and the way of packets. How transports come and go is in
//! `connect`, what signaling wants in `commands` and `offer`, what is due now and then in
//! `reports` and `speaking`.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confer_protocol::id::{ParticipantId, RoomId};
use confer_protocol::media::{MediaEvent, MediaHappening};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::arena::{Arena, Key};
use crate::control::Control;
use crate::demux::{Kind, classify};
use crate::egress::Workbench;
use crate::forwarder;
use crate::io::{ShardConfig, Transmit};
use crate::participant::Participant;
use crate::publication::{Publication, Received};
use crate::room::Room;
use crate::rtp::rtcp::RtcpWriter;
use crate::rtp::{RtpView, SeqNo16};
use crate::stats::ShardStats;
use crate::transport::Route;

/// How often periodic work is looked for. Retransmission requests wait for it, so it is short; an
/// idle shard has no ticks.
const TICK: Duration = Duration::from_millis(10);

/// Everything one media thread owns.
pub struct Shard {
    pub(crate) config: ShardConfig,
    pub(crate) rng: StdRng,
    pub(crate) started_at: Instant,
    pub(crate) now: Instant,
    next_tick: Instant,

    pub(crate) rooms: Arena<Room>,
    pub(crate) participants: Arena<Participant>,
    pub(crate) publications: Arena<Publication>,
    pub(crate) room_keys: HashMap<RoomId, Key<Room>>,
    pub(crate) participant_keys: HashMap<(RoomId, ParticipantId), Key<Participant>>,
    /// Where STUN finds its participant.
    pub(crate) ufrags: HashMap<Vec<u8>, Key<Participant>>,
    /// Where everything else does: addresses that authenticated by STUN.
    pub(crate) addresses: HashMap<SocketAddr, Key<Participant>>,

    pub(crate) control: Control,
    /// Participants whose egress holds packets, in the order they got the first one.
    pub(crate) ready: Vec<Key<Participant>>,
    ready_done: usize,
    workbench: Workbench,
    pub(crate) events: VecDeque<MediaEvent>,

    pub(crate) stun_reply: Vec<u8>,
    pub(crate) rtcp: RtcpWriter,
    pub(crate) due: Vec<SeqNo16>,
    pub(crate) body: Vec<u8>,
    pub(crate) speakers_due: Instant,
    pub(crate) layers_due: Instant,
    pub(crate) stats: ShardStats,
}

impl Shard {
    /// An empty shard.
    pub fn new(config: ShardConfig, now: Instant) -> Self {
        Self {
            rng: StdRng::from_seed(config.seed),
            started_at: now,
            now,
            next_tick: now,
            rooms: Arena::default(),
            participants: Arena::default(),
            publications: Arena::default(),
            room_keys: HashMap::new(),
            participant_keys: HashMap::new(),
            ufrags: HashMap::new(),
            addresses: HashMap::new(),
            control: Control::new(config.limits.control_bytes),
            ready: Vec::new(),
            ready_done: 0,
            workbench: Workbench::new(),
            events: VecDeque::new(),
            stun_reply: Vec::new(),
            rtcp: RtcpWriter::default(),
            due: Vec::new(),
            body: Vec::new(),
            speakers_due: now,
            layers_due: now,
            stats: ShardStats::default(),
            config,
        }
    }

    /// Takes one received datagram. `bytes` is the receive buffer, in which packets are opened.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        local: SocketAddr,
        bytes: &mut [u8],
        now: Instant,
    ) {
        self.now = now;
        match classify(bytes) {
            Kind::Rtp => self.handle_rtp(source, bytes),
            Kind::Rtcp => self.handle_rtcp(source, bytes),
            Kind::Stun { local_ufrag } => match self.ufrags.get(local_ufrag).copied() {
                Some(key) => {
                    let route = Route { remote: source, local: local.ip() };
                    self.handle_check(key, route, bytes);
                }
                None => self.stats.dropped_unknown += 1,
            },
            Kind::Dtls => self.handle_dtls(source, bytes),
            Kind::Unknown => self.stats.dropped_malformed += 1,
        }
    }

    /// Says that the time of [`Shard::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        for place in 0..self.participants.places() {
            if let Some(key) = self.participants.key_at(place) {
                self.tick_transport(key);
            }
        }
        self.tick_reports();
    }

    /// When to call [`Shard::handle_timeout`] at the latest; never, without participants.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.participants.len() > 0).then_some(self.next_tick)
    }

    /// The next bytes to send. Sealing happens here, so call it until `None` after each receive
    /// batch, each command and each timeout.
    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        if let Some((Route { remote: destination, local: source }, range)) = self.control.pop() {
            let bytes = self.control.bytes(range);
            return Some(Transmit { destination, source, segment_size: None, bytes });
        }
        let send_time = abs_send_time(self.now.saturating_duration_since(self.started_at));
        while let Some(key) = self.ready.get(self.ready_done).copied() {
            if let Some(participant) = self.participants.get_mut(key) {
                let route = participant.transport.as_ref().and_then(|transport| transport.route());
                let srtp =
                    participant.transport.as_ref().and_then(|transport| transport.srtp.as_ref());
                if let (Some(route), Some(srtp)) = (route, srtp) {
                    let run = self.workbench.make_run(
                        &mut participant.egress,
                        &mut participant.slots,
                        &srtp.sealer,
                        &self.publications,
                        send_time,
                    );
                    if let Some(run) = run {
                        self.stats.packets_out += run.datagrams as u64;
                        self.stats.bytes_out += run.length as u64;
                        let is_run = run.datagrams > 1;
                        if is_run {
                            self.stats.packets_in_runs += run.datagrams as u64;
                        }
                        return Some(Transmit {
                            destination: route.remote,
                            source: route.local,
                            segment_size: is_run.then_some(run.segment),
                            bytes: self.workbench.bytes(run),
                        });
                    }
                }
                participant.egress.pending.clear();
                participant.is_ready = false;
            }
            self.ready_done += 1;
        }
        self.ready.clear();
        self.ready_done = 0;
        None
    }

    /// The next thing signaling should know.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    /// The counters now.
    pub fn stats(&self) -> ShardStats {
        let is_connected = |participant: &&Participant| participant.is_open;
        let carries = |participant: &Participant| {
            participant.slots.iter().filter(|slot| slot.carries.is_some()).count()
        };
        ShardStats {
            rooms: self.rooms.len() as u64,
            participants: self.participants.len() as u64,
            connected: self.participants.iter().filter(is_connected).count() as u64,
            publications: self.publications.len() as u64,
            subscriptions: self.participants.iter().map(carries).sum::<usize>() as u64,
            ..self.stats
        }
    }

    fn handle_rtp(&mut self, source: SocketAddr, bytes: &mut [u8]) {
        let now = self.now;
        let Some(key) = self.addresses.get(&source).copied() else {
            self.stats.dropped_unknown += 1;
            return;
        };
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(transport) = &mut participant.transport else { return };
        let opened = transport.srtp.as_mut().and_then(|srtp| srtp.opener.open_rtp(bytes).ok());
        let Some(length) = opened else {
            self.stats.dropped_srtp += 1;
            return;
        };
        transport.ice.heard(now);
        let Some(view) = RtpView::parse(&bytes[..length]) else {
            self.stats.dropped_malformed += 1;
            return;
        };
        self.stats.packets_in += 1;
        self.stats.bytes_in += length as u64;
        let known = view.extensions.read(&participant.extensions);
        if let Some(seq) = known.transport_seq {
            transport.twcc.note(seq, now);
        }
        let limits = &self.config.limits;
        let Some(stream) = participant.stream(&view, &known, &self.publications, limits) else {
            self.stats.dropped_unmapped += 1;
            return;
        };
        let Some(publication) = self.publications.get_mut(stream.publication) else { return };
        let received =
            publication.receive(&view, &known, stream.layer, stream.is_rtx, now, &mut self.stats);
        if let Received::Forward(index) = received {
            forwarder::forward(
                stream.publication,
                publication,
                index,
                &mut self.participants,
                &mut self.ready,
                &mut self.stats,
                now,
            );
        }
    }

    pub(crate) fn push_event(&mut self, event: MediaEvent) {
        // The driver stopped taking events: only the latest state of each kind is worth keeping.
        if self.events.len() >= MERGED_EVENTS
            && let Some(at) = self.events.iter().position(|old| supersedes(&event, old))
        {
            self.events.remove(at);
        }
        self.events.push_back(event);
    }
}

/// From this many waiting events on, states replace earlier states of the same participant. What
/// is left then is bounded by participants, and answers by commands.
const MERGED_EVENTS: usize = 256;

fn supersedes(new: &MediaEvent, old: &MediaEvent) -> bool {
    use MediaHappening::{Answered, SlotsChanged, Speakers, TransportChanged};
    let same_room = new.room == old.room;
    let same_participant = same_room && new.participant == old.participant;
    match (&new.happening, &old.happening) {
        (SlotsChanged { .. }, SlotsChanged { .. })
        | (TransportChanged { .. }, TransportChanged { .. }) => same_participant,
        (Speakers { .. }, Speakers { .. }) => same_room,
        (
            Answered { .. } | SlotsChanged { .. } | TransportChanged { .. } | Speakers { .. },
            Answered { .. } | SlotsChanged { .. } | TransportChanged { .. } | Speakers { .. },
        ) => false,
    }
}

/// 24 bits of 6.18 fixed point seconds.
fn abs_send_time(since_start: Duration) -> u32 {
    (((since_start.as_micros() << 18) / 1_000_000) & 0xff_ffff) as u32
}
