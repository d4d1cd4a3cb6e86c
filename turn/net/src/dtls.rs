//! DTLS between clients and the relay (RFC 7350), by rtc-dtls.
//!
//! A thread has the sessions of the clients that the kernel gives it. rtc-dtls keys associations by
//! address and never forgets one by itself, so each session runs in an endpoint of its own under a
//! constant address, and its life is bounded here. A hello is answered with a cookie before
//! anything costly happens (RFC 6347, section 4.2.1), but rtc-dtls draws that cookie and keeps it:
//! half-open sessions are therefore few, bounded, and the oldest gives way.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use confer_turn_core::FiveTuple;
use confer_turn_core::record::{first_hello, well_formed};
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_crypto::{RTCCryptoProvider, SignatureScheme};
use rtc_dtls::config::{ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::{Certificate as DtlsCertificate, CryptoPrivateKey};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use rustls::pki_types::PrivateKeyDer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::certificate::{Certificate, CertificateError};
use crate::config::Limits;
use crate::stream::{Prefixes, Seat};

/// Half-open sessions of a thread. The oldest gives way to a new one.
const HALF_OPEN: usize = 512;
/// How often handshakes are looked after while there are any.
const TICK: Duration = Duration::from_millis(250);
/// How long a flight may stay unanswered before it goes out again.
const REPEAT: Duration = Duration::from_millis(500);
/// More than this before the handshake is over is not a client's; a whole one is 5 kB.
const HANDSHAKE_BYTES: usize = 64 * 1024;
/// Datagrams of handshakes are at most this long without IP and UDP headers.
const MTU: usize = 1200;
/// The constant address under which the one association of an endpoint runs.
const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Whether a datagram to a port that is shared with STUN is DTLS (RFC 7983).
pub(crate) fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63))
}

/// How handshakes are done with a certificate.
///
/// # Errors
/// When the key is not PKCS#8, or neither ECDSA P-256, RSA nor Ed25519.
pub(crate) fn handshakes(
    certificate: &Certificate,
) -> Result<Arc<HandshakeConfig>, CertificateError> {
    let PrivateKeyDer::Pkcs8(key) = &certificate.key else {
        return Err(CertificateError::DtlsKey);
    };
    let provider = Arc::new(AwsLcRsProvider::new());
    let schemes = [
        SignatureScheme::EcdsaP256Sha256,
        SignatureScheme::RsaPkcs1Sha256,
        SignatureScheme::Ed25519,
    ];
    let mut imported = schemes.into_iter().filter_map(|scheme| {
        provider.crypto().import_signing_key(scheme, key.secret_pkcs8_der()).ok()
    });
    let key = imported.next().ok_or(CertificateError::DtlsKey)?;
    let shown = DtlsCertificate {
        certificate: certificate.chain.clone(),
        private_key: CryptoPrivateKey::from_signing_key(key),
    };
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_certificates(vec![shown])
        .with_mtu(MTU)
        .build(false, None);
    Ok(Arc::new(config.map_err(|_| CertificateError::DtlsKey)?))
}

/// What a datagram brought.
#[derive(Default)]
pub(crate) struct Brought {
    /// Frames of the client.
    pub(crate) frames: Vec<BytesMut>,
    /// Datagrams that go back.
    pub(crate) answers: Vec<BytesMut>,
    /// The client said goodbye.
    pub(crate) closed: bool,
    /// A handshake came to nothing.
    pub(crate) failed: bool,
    /// A handshake was completed for which there is no place.
    pub(crate) refused: bool,
}

/// The sessions of one thread.
pub(crate) struct Sessions {
    /// How many may be open, on all threads together.
    places: Arc<Semaphore>,
    /// How many of one network.
    prefixes: Prefixes,
    sessions: HashMap<FiveTuple, Session>,
    /// In the order they came; some may be open or gone by now.
    half_open: VecDeque<FiveTuple>,
    tick: Option<Instant>,
}

struct Session {
    endpoint: Endpoint,
    open: bool,
    /// Held while it is open.
    place: Option<(OwnedSemaphorePermit, Seat)>,
    /// The random of the hello that began it.
    hello: Option<[u8; 32]>,
    since: Instant,
    heard: Instant,
    /// When it was last seen to have an allocation; before, when it began.
    held: Instant,
    /// Bytes taken before it was open.
    taken: usize,
    /// What was sent last of a handshake, and when.
    flight: Vec<BytesMut>,
    sent: Instant,
}

impl Sessions {
    /// No sessions, that will share these limits.
    pub(crate) fn new(places: Arc<Semaphore>, prefixes: Prefixes) -> Self {
        let (sessions, half_open) = (HashMap::new(), VecDeque::new());
        Self { places, prefixes, sessions, half_open, tick: None }
    }

    /// Takes a datagram. `config` makes the session of a client that has none.
    pub(crate) fn take(
        &mut self,
        tuple: FiveTuple,
        datagram: &[u8],
        config: &Arc<HandshakeConfig>,
        now: Instant,
    ) -> Brought {
        let (mut brought, mut displaced) = (Brought::default(), false);
        // rtc-dtls ends associations over records that RFC 6347 wants dropped.
        if !well_formed(datagram) {
            return brought;
        }
        let hello = first_hello(datagram);
        // Whoever has the port now is not who began and went away.
        let is_another = |session: &Session| {
            !session.open && hello.is_some() && session.hello.is_some() && session.hello != hello
        };
        if self.sessions.get(&tuple).is_some_and(is_another) {
            self.sessions.remove(&tuple);
        }
        if !self.sessions.contains_key(&tuple) {
            displaced = self.make_room();
            self.half_open.push_back(tuple);
            self.tick.get_or_insert(now + TICK);
            let config = Some(Arc::clone(config));
            let endpoint = Endpoint::new(REMOTE, TransportProtocol::UDP, config);
            self.sessions.insert(tuple, Session::new(endpoint, hello, now));
        }
        let Some(session) = self.sessions.get_mut(&tuple) else { return brought };
        session.read(datagram, &mut brought, now);
        // Only who completed a handshake is where it says, and takes a place from others there.
        if session.open && session.place.is_none() {
            let place = Arc::clone(&self.places).try_acquire_owned().ok();
            let seat = self.prefixes.sit(tuple.client.ip());
            session.place = place.zip(seat);
            if session.place.is_none() {
                brought.refused = true;
                brought.frames.clear();
                brought.answers.extend(self.close(&tuple, now));
                return brought;
            }
        }
        if brought.closed || brought.failed && !session.open {
            self.sessions.remove(&tuple);
        }
        // Not this one, but one that had to go for it.
        brought.failed |= displaced;
        brought
    }

    /// Whether a client has a session, of whatever state.
    pub(crate) fn knows(&self, tuple: &FiveTuple) -> bool {
        self.sessions.contains_key(tuple)
    }

    /// Encrypts a frame; what comes out goes to the client.
    pub(crate) fn seal(
        &mut self,
        tuple: &FiveTuple,
        frame: &[u8],
        now: Instant,
    ) -> Option<BytesMut> {
        let session = self.sessions.get_mut(tuple).filter(|session| session.open)?;
        session.endpoint.write(now, REMOTE, frame).ok()?;
        Some(session.endpoint.poll_transmit()?.message)
    }

    /// Says goodbye; what comes out goes to the client.
    pub(crate) fn close(&mut self, tuple: &FiveTuple, now: Instant) -> Vec<BytesMut> {
        let Some(mut session) = self.sessions.remove(tuple) else { return Vec::new() };
        // Nobody knows yet whether who began a handshake is there; and without a goodbye a client
        // would find out by itself.
        if session.open {
            let _said = session.endpoint.close(now);
        }
        std::iter::from_fn(|| session.endpoint.poll_transmit()).map(|said| said.message).collect()
    }

    /// When [`Sessions::tick`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.tick
    }

    /// Repeats flights, and gives up what has been half-open or silent for too long. Gives what
    /// goes out again, and who is gone.
    pub(crate) fn tick(
        &mut self,
        limits: &Limits,
        holds: impl Fn(&FiveTuple) -> bool,
        now: Instant,
    ) -> (Vec<(FiveTuple, BytesMut)>, Vec<FiveTuple>) {
        let (mut again, mut gone) = (Vec::new(), Vec::new());
        for (tuple, session) in &mut self.sessions {
            if holds(tuple) {
                session.held = now;
            }
            let since = |then| now.saturating_duration_since(then);
            let over = if session.open {
                since(session.heard) >= limits.idle || since(session.held) >= limits.unused
            } else {
                since(session.since) >= limits.greeting
            };
            if over {
                gone.push(*tuple);
            } else if !session.open && now.saturating_duration_since(session.sent) >= REPEAT {
                session.sent = now;
                again.extend(session.flight.iter().map(|datagram| (*tuple, datagram.clone())));
            }
        }
        for tuple in &gone {
            again.extend(self.close(tuple, now).into_iter().map(|goodbye| (*tuple, goodbye)));
        }
        let sessions = &self.sessions;
        let waits = |tuple: &FiveTuple| sessions.get(tuple).is_some_and(|session| !session.open);
        self.half_open.retain(waits);
        let unhurried = limits.idle.min(limits.unused) / 4;
        let next = if self.half_open.is_empty() { unhurried } else { TICK };
        self.tick = (!self.sessions.is_empty()).then_some(now + next);
        (again, gone)
    }

    /// Lets the oldest half-open session go when there are too many; says whether one went.
    fn make_room(&mut self) -> bool {
        while self.half_open.len() >= HALF_OPEN {
            let Some(oldest) = self.half_open.pop_front() else { return false };
            if self.sessions.get(&oldest).is_some_and(|session| !session.open) {
                self.sessions.remove(&oldest);
                return true;
            }
        }
        false
    }
}

impl Session {
    fn new(endpoint: Endpoint, hello: Option<[u8; 32]>, now: Instant) -> Self {
        Self {
            endpoint,
            open: false,
            place: None,
            hello,
            since: now,
            heard: now,
            held: now,
            taken: 0,
            flight: Vec::new(),
            sent: now,
        }
    }

    fn read(&mut self, datagram: &[u8], brought: &mut Brought, now: Instant) {
        let was_open = self.open;
        if !was_open {
            self.taken += datagram.len();
            if self.taken > HANDSHAKE_BYTES {
                brought.failed = true;
                return;
            }
        }
        match self.endpoint.read(now, REMOTE, None, BytesMut::from(datagram)) {
            Ok(events) => {
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => self.open = true,
                        EndpointEvent::ApplicationData(frame) => brought.frames.push(frame),
                        EndpointEvent::PeerClosed => brought.closed = true,
                        // The enum may grow; what is new there is nothing we asked for.
                        _ => {}
                    }
                }
                self.heard = now;
            }
            // After the handshake anybody who fakes an address could send what is not understood.
            Err(_) if was_open => while self.endpoint.poll_transmit().is_some() {},
            Err(_) => brought.failed = true,
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            brought.answers.push(transmit.message);
        }
        if !brought.answers.is_empty() && !was_open {
            self.flight.clone_from(&brought.answers);
            self.sent = now;
        }
        if self.open {
            self.flight = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use confer_turn_core::Transport;

    fn config() -> Arc<HandshakeConfig> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a valid name");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let certificate = Certificate { chain: vec![made.cert.der().clone()], key };
        handshakes(&certificate).expect("a key of ECDSA P-256")
    }

    fn tuple(port: u16) -> FiveTuple {
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        FiveTuple { client: at(port), server: at(3478), transport: Transport::Dtls }
    }

    /// A record that says it is a hello, and is none.
    fn forged() -> Vec<u8> {
        let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8];
        record.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        record
    }

    #[test]
    fn a_flood_of_hellos_from_everywhere_holds_a_bounded_number_of_sessions() {
        let (config, now) = (config(), Instant::now());
        let mut sessions = Sessions::new(Arc::new(Semaphore::new(1)), Prefixes::new(1));
        for port in 1..=20_000 {
            let brought = sessions.take(tuple(port), &forged(), &config, now);
            let answered: usize = brought.answers.iter().map(BytesMut::len).sum();
            assert!(answered <= 2 * forged().len(), "{answered} bytes");
        }
        assert!(sessions.sessions.len() <= HALF_OPEN);
        let limits = Limits { greeting: Duration::ZERO, ..Limits::default() };
        let (_, gone) = sessions.tick(&limits, |_| false, now);
        assert_eq!(sessions.sessions.len(), 0, "{} were given up", gone.len());
        assert_eq!(sessions.poll_timeout(), None);
    }

    #[test]
    fn what_is_no_record_makes_no_session() {
        let (config, now) = (config(), Instant::now());
        let mut sessions = Sessions::new(Arc::new(Semaphore::new(1)), Prefixes::new(1));
        for junk in [&[22][..], &[22; 64], &[63, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7]] {
            sessions.take(tuple(1), junk, &config, now);
        }
        assert_eq!(sessions.sessions.len(), 0);
    }
}
