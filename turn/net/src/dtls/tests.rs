//! Sessions against rtc-dtls in the client's role, without a network.

use std::net::{Ipv4Addr, SocketAddr};

use confer_turn_core::Transport;
use confer_turn_core::record::records;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::certificate::Certificate;

const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3478);

struct Relay {
    sessions: Sessions,
    config: Arc<HandshakeConfig>,
    now: Now,
}

impl Relay {
    fn new(places: usize) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a valid name");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let certificate = Certificate { chain: vec![made.cert.der().clone()], key };
        let places = Arc::new(Semaphore::new(places));
        let prefixes = Prefixes::new(u32::MAX);
        Self {
            sessions: Sessions::new(Cookies::new(b"secret"), places, prefixes),
            config: handshakes(&certificate).expect("a key of ECDSA P-256"),
            now: Now { steady: Instant::now(), unix: 1_000 },
        }
    }

    fn take(&mut self, tuple: FiveTuple, datagram: &[u8]) -> Brought {
        self.sessions.take(tuple, datagram, &self.config, || true, self.now)
    }

    /// How many sessions are open, and how many handshakes go on.
    fn counts(&self) -> (usize, usize) {
        (self.sessions.open.len(), self.sessions.coming.len())
    }
}

/// A client, and what it says next.
struct Client {
    endpoint: Endpoint,
    tuple: FiveTuple,
    says: VecDeque<BytesMut>,
    open: bool,
}

impl Client {
    fn new(tuple: FiveTuple) -> Self {
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::new(AwsLcRsProvider::new()))
            .with_insecure_skip_verify(true)
            .build(true, Some(SERVER))
            .expect("a good configuration");
        let mut endpoint = Endpoint::new(tuple.client, TransportProtocol::UDP, None);
        let connecting = endpoint.connect(Instant::now(), SERVER, Arc::new(config), None);
        connecting.expect("a port to connect to");
        let mut client = Self { endpoint, tuple, says: VecDeque::new(), open: false };
        client.drain();
        client
    }

    fn drain(&mut self) {
        let says = std::iter::from_fn(|| self.endpoint.poll_transmit());
        self.says.extend(says.map(|says| says.message));
    }

    /// Says one datagram and hears the answers; gives what it brought the relay.
    fn step(&mut self, relay: &mut Relay) -> Brought {
        let says = self.says.pop_front().expect("something to say");
        let brought = relay.take(self.tuple, &says);
        for answer in &brought.answers {
            self.hear(answer.clone());
        }
        brought
    }

    fn hear(&mut self, datagram: BytesMut) {
        let events = self.endpoint.read(Instant::now(), SERVER, None, datagram);
        for event in events.expect("well formed") {
            self.open |= matches!(event, EndpointEvent::HandshakeComplete);
        }
        self.drain();
    }

    /// Completes the handshake; gives whether it ended a session before.
    fn finish(&mut self, relay: &mut Relay) -> bool {
        let mut replaced = false;
        while !self.open {
            replaced |= self.step(relay).replaced;
        }
        replaced
    }

    /// Whether a frame gets through both ways.
    fn talks(&mut self, relay: &mut Relay) -> bool {
        self.endpoint.write(Instant::now(), SERVER, b"frame").expect("it is open");
        self.drain();
        let brought = self.step(relay);
        let sealed = relay.sessions.seal(&self.tuple, b"frame", relay.now.steady);
        let Some(sealed) = sealed else { return false };
        let events = self.endpoint.read(Instant::now(), SERVER, None, sealed);
        let heard = events.is_ok_and(|events| {
            matches!(&events[..], [EndpointEvent::ApplicationData(frame)] if frame == "frame")
        });
        heard && brought.frames == ["frame"]
    }
}

fn tuple(port: u16) -> FiveTuple {
    let client = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    FiveTuple { client, server: SERVER, transport: Transport::Dtls }
}

/// A hello as it is, from another random.
fn hello(random: u32) -> Vec<u8> {
    let mut said = Client::new(tuple(1)).says[0].to_vec();
    said[27..31].copy_from_slice(&random.to_be_bytes());
    said
}

#[test]
fn a_flood_of_hellos_from_everywhere_leaves_nothing() {
    let mut relay = Relay::new(1);
    let mut said = hello(0);
    for number in 0..20_000_u32 {
        said[27..31].copy_from_slice(&number.to_be_bytes());
        let from = tuple(u16::try_from(number % 60_000).expect("small") + 1);
        let brought = relay.take(from, &said);
        let answered: usize = brought.answers.iter().map(BytesMut::len).sum();
        assert!(answered > 0 && answered < said.len(), "{answered} bytes");
    }
    assert_eq!(relay.counts(), (0, 0));
    assert_eq!(relay.sessions.half_open.len(), 0);
    assert_eq!(relay.sessions.poll_timeout(), None);
}

#[test]
fn what_is_neither_a_hello_nor_of_a_session_makes_none() {
    let mut relay = Relay::new(1);
    let whole = hello(0);
    let record: &[u8] = &[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 7];
    for (junk, reason) in [
        (&[22][..], DropReason::NotTurn),
        (&[22; 64], DropReason::NotTurn),
        (&[63, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7], DropReason::NotTurn),
        (&whole.repeat(2), DropReason::NotTurn),
        (record, DropReason::NoSession),
    ] {
        let brought = relay.take(tuple(1), junk);
        assert_eq!((brought.dropped, brought.answers.len()), (Some(reason), 0));
    }
    assert_eq!(relay.counts(), (0, 0));
}

#[test]
fn who_shows_its_cookie_is_let_in() {
    let mut relay = Relay::new(1);
    let mut client = Client::new(tuple(1));
    client.step(&mut relay);
    assert_eq!(relay.counts(), (0, 0), "nothing is kept before the cookie");
    assert!(!client.finish(&mut relay));
    assert_eq!(relay.counts(), (1, 0));
    assert!(client.talks(&mut relay));
}

#[test]
fn a_hello_that_had_to_be_repeated_is_answered_in_the_order_of_its_records() {
    let mut relay = Relay::new(1);
    let mut client = Client::new(tuple(1));
    // As a client repeats it: each time in a record of its own number.
    for number in 0..5 {
        let mut said = client.says[0].to_vec();
        said[10] = number;
        let brought = relay.take(tuple(1), &said);
        let asked: Vec<u64> = records(&brought.answers[0]).map(|record| record.number).collect();
        assert_eq!(asked, [u64::from(number)]);
    }
    client.step(&mut relay);
    let mut second = client.says.pop_front().expect("a hello with a cookie").to_vec();
    second[10] = 5;
    let brought = relay.take(tuple(1), &second);
    let numbers = brought.answers.iter().flat_map(|answer| records(answer));
    let numbers: Vec<u64> = numbers.map(|record| record.number).collect();
    assert_eq!(numbers[..3], [5, 6, 7], "and no number that the client has seen");
}

#[test]
fn a_cookie_is_of_no_use_to_another_or_for_another_hello() {
    let mut relay = Relay::new(1);
    let mut client = Client::new(tuple(1));
    client.step(&mut relay);
    let said = client.says[0].clone();
    let brought = relay.take(tuple(2), &said);
    assert_eq!(brought.dropped, Some(DropReason::NoSession), "from another port");
    let mut changed = said.to_vec();
    changed[30] ^= 1;
    assert_eq!(relay.take(tuple(1), &changed).dropped, Some(DropReason::NoSession));
    relay.now.unix += 200;
    assert_eq!(relay.take(tuple(1), &said).dropped, Some(DropReason::NoSession), "too late");
    assert_eq!(relay.counts(), (0, 0));
}

#[test]
fn a_client_that_begins_again_takes_its_place_when_it_is_done() {
    // There is one place, and the session before has it.
    let mut relay = Relay::new(1);
    let mut before = Client::new(tuple(1));
    before.finish(&mut relay);
    let mut again = Client::new(tuple(1));
    again.step(&mut relay);
    assert_eq!(relay.counts(), (1, 0));
    again.step(&mut relay);
    assert_eq!(relay.counts(), (1, 1));
    assert!(before.talks(&mut relay), "it is not over before the other is there");
    assert!(again.finish(&mut relay), "what the one before had is to end");
    assert_eq!(relay.counts(), (1, 0));
    assert!(again.talks(&mut relay));
    assert!(!before.talks(&mut relay));
}

#[test]
fn who_begins_again_and_again_and_never_ends_cuts_nobody_off() {
    let mut relay = Relay::new(1);
    let mut client = Client::new(tuple(1));
    client.finish(&mut relay);
    for round in 0..20 {
        let mut other = Client::new(tuple(1));
        for _ in 0..=round % 2 {
            let brought = other.step(&mut relay);
            assert!(!brought.replaced && !brought.closed);
        }
        // And with something that is no end of a handshake.
        let mut nonsense = [22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, round, 0, 30].to_vec();
        nonsense.extend([round; 30]);
        relay.take(tuple(1), &nonsense);
        assert!(client.talks(&mut relay));
    }
    assert_eq!(relay.counts(), (1, 1));
    // It is given up by itself, and that is no end of the session either.
    let limits = Limits { greeting: Duration::ZERO, ..Limits::default() };
    let due = relay.sessions.tick(&limits, |_| true, relay.now.steady);
    assert_eq!((due.gone.len(), due.failed), (0, 1));
    assert!(client.talks(&mut relay));
}

#[test]
fn what_anybody_could_have_sent_is_kept_from_a_session() {
    let mut relay = Relay::new(1);
    let mut client = Client::new(tuple(1));
    client.finish(&mut relay);
    // Handshake messages in the clear, one after the other as rtc-dtls would collect them; an alert
    // that ends all; data.
    for place in 0..200_u8 {
        let mut message = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 1, place, 0, 112];
        message.extend([20, 0, 0, 100, 0, place, 0, 0, 0, 0, 0, 100]);
        message.extend([place; 100]);
        assert_eq!(relay.take(tuple(1), &message).answers.len(), 0);
    }
    for kind in [20, 21, 23] {
        let record = [kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2, 2, 40];
        let brought = relay.take(tuple(1), &record);
        assert!(brought.answers.is_empty() && brought.frames.is_empty() && !brought.closed);
    }
    assert!(client.talks(&mut relay));
}

#[test]
fn a_session_takes_so_many_messages_of_handshakes_and_data_without_end() {
    let mut relay = Relay::new(1);
    let mut client = Client::new(tuple(1));
    client.finish(&mut relay);
    let session = relay.sessions.open.get_mut(&tuple(1)).expect("it is open");
    let mut taken = |kind, epoch| {
        let mut datagram = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 0, 3, 0xe8];
        datagram.extend([7; 1000]);
        let record = records(&datagram).next().expect("a record");
        (0..200).filter(|_| session.takes(&record)).count()
    };
    assert_eq!(taken(HANDSHAKE, 0), 0);
    let handshakes = taken(HANDSHAKE, 1);
    assert!((1..=64).contains(&handshakes), "{handshakes} KB, which rtc-dtls would have kept");
    assert_eq!(taken(23, 1), 200);
    assert!(client.talks(&mut relay));
}

#[test]
fn the_oldest_handshake_gives_way_and_one_network_has_only_its_share() {
    let mut relay = Relay::new(1);
    let mut begin = |ip: u8, port: u16| {
        let client = SocketAddr::from((Ipv4Addr::new(127, 0, 0, ip), port));
        let mut client = Client::new(FiveTuple { client, ..tuple(1) });
        client.step(&mut relay);
        let brought = client.step(&mut relay);
        (brought.refused, brought.failed, relay.counts().1)
    };
    for port in 1..=128 {
        assert_eq!(begin(1, port), (false, 0, usize::from(port)));
    }
    assert_eq!(begin(1, 129), (true, 0, 128));
    for ip in 2..=4 {
        for port in 1..=128 {
            assert!(!begin(ip, port).0);
        }
    }
    assert_eq!(begin(5, 1), (false, 1, HALF_OPEN));
    // The oldest one's place among its network's is free as well.
    assert_eq!(begin(1, 130), (false, 1, HALF_OPEN));
}

#[test]
fn who_begins_again_and_again_pushes_nobody_out() {
    let mut relay = Relay::new(1);
    let mut begin = |client: SocketAddr| {
        let mut client = Client::new(FiveTuple { client, ..tuple(1) });
        client.step(&mut relay);
        client.step(&mut relay);
        relay.counts().1
    };
    begin(SocketAddr::from(([127, 0, 0, 2], 1)));
    for _ in 0..=HALF_OPEN {
        assert_eq!(begin(SocketAddr::from(([127, 0, 0, 1], 1))), 2);
    }
}

#[test]
fn a_flight_goes_out_again_later_each_time_until_the_greeting_is_over() {
    let mut relay = Relay::new(1);
    let mut client = Client::new(tuple(1));
    client.step(&mut relay);
    let flight = client.step(&mut relay).answers;
    let began = relay.now.steady;
    let mut repeated = Vec::new();
    for tick in 1..=40 {
        let after = TICK * tick;
        let due = relay.sessions.tick(&Limits::default(), |_| false, began + after);
        if !due.out.is_empty() {
            assert!(due.out.iter().map(|(_, datagram)| datagram).eq(&flight));
            repeated.push(after.as_millis());
        }
    }
    assert_eq!(repeated, [500, 1_500, 3_500, 7_500]);
    assert_eq!(relay.counts(), (0, 0));
    assert_eq!(relay.sessions.poll_timeout(), None);
}

#[test]
fn who_shows_a_cookie_again_and_again_has_so_many_handshakes_as_its_network_may() {
    let mut relay = Relay::new(1);
    let mut client = Client::new(tuple(1));
    client.step(&mut relay);
    let said = client.says[0].clone();
    let nonsense = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 2, 0, 0, 2, 2, 40];
    let mut left = 3;
    for round in 0..6 {
        let mut admits = || {
            left -= 1;
            left >= 0
        };
        let Relay { sessions, config, now } = &mut relay;
        let brought = sessions.take(tuple(1), &said, config, &mut admits, *now);
        let spent = (round >= 3).then_some(DropReason::ChallengesSpent);
        assert_eq!((brought.dropped, brought.answers.is_empty()), (spent, round >= 3));
        // A fatal alert ends the handshake, so that the next may begin.
        relay.take(tuple(1), &nonsense);
        assert_eq!(relay.counts(), (0, 0));
    }
}

#[test]
fn a_session_without_a_place_is_told_goodbye() {
    let mut relay = Relay::new(1);
    Client::new(tuple(1)).finish(&mut relay);
    let mut late = Client::new(tuple(2));
    let refused = std::iter::from_fn(|| (!late.says.is_empty()).then(|| late.step(&mut relay)));
    assert_eq!(refused.filter(|brought| brought.refused).count(), 1);
    assert_eq!(relay.counts(), (1, 0));
}

#[test]
fn who_speaks_another_version_is_told_once_it_is_known_to_be_there() {
    let mut relay = Relay::new(1);
    let mut said = hello(0);
    said[26] = 0xff;
    let asked = relay.take(tuple(1), &said).answers.remove(0);
    let cookie = &asked[asked.len() - 20..];
    // The same with the cookie behind an empty session.
    let session = 13 + 12 + 34;
    assert_eq!(said[session..session + 2], [0, 0]);
    said[session + 1] = 20;
    said.splice(session + 2..session + 2, cookie.iter().copied());
    for at in [12, 16, 24] {
        said[at] += 20;
    }
    (said[10], said[18]) = (1, 1);
    let brought = relay.take(tuple(1), &said);
    assert_eq!(relay.counts(), (0, 0));
    // A fatal alert of protocol_version, in the next record.
    assert_eq!(brought.failed, 1);
    assert_eq!(brought.answers[0][..], [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 70]);
}
