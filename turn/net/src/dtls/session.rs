//! One client over DTLS: its handshake, and the session that comes of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use confer_turn_core::hello::{COOKIE, Hello};
use confer_turn_core::record::{HANDSHAKE, Record, records, renumber};
use rtc_dtls::config::HandshakeConfig;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use tokio::sync::OwnedSemaphorePermit;

use super::Brought;
use super::handshakes::expecting;
use crate::config::Limits;
use crate::stream::Seat;

/// How long a flight may stay unanswered before it goes out again; then twice as long, and so on
/// (RFC 6347, section 4.2.4.1).
const REPEAT: Duration = Duration::from_millis(500);
/// More than this is not a client's handshake; a whole one is 5 kB. rtc-dtls keeps all of it.
const HANDSHAKE_BYTES: usize = 64 * 1024;
/// The constant address under which the one association of an endpoint runs.
const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// A place among all sessions, and one among those of a network.
pub(super) type Place = (OwnedSemaphorePermit, Seat);

/// A handshake of a client that has shown that it receives what is sent to its address.
pub(super) struct Handshake {
    endpoint: Endpoint,
    /// The random of its hello, by which clients at one address are told apart.
    pub(super) random: [u8; 32],
    /// What our records' numbers are ahead of those that rtc-dtls gives them.
    ahead: u64,
    since: Instant,
    taken: usize,
    /// What was sent last, when, and how long it waits for an answer now.
    flight: Vec<BytesMut>,
    sent: Instant,
    wait: Duration,
    _seat: Seat,
}

/// How far a handshake has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Going,
    Done,
    Failed,
}

impl Handshake {
    /// Begins with the hello of a client that has shown a cookie of ours. That hello is still to
    /// be [read](Handshake::read).
    ///
    /// # Errors
    /// When nothing can come of it; with what the client is told.
    pub(super) fn begin(
        hello: &Hello<'_>,
        config: &Arc<HandshakeConfig>,
        seat: Seat,
        now: Instant,
    ) -> Result<Self, Vec<BytesMut>> {
        let config = Some(Arc::clone(config));
        let mut endpoint = Endpoint::new(REMOTE, TransportProtocol::UDP, config);
        let Ok(cookie) = <[u8; COOKIE]>::try_from(hello.cookie) else { return Err(Vec::new()) };
        // The client has seen our answer to this one already; what rtc-dtls answers is for nobody.
        let first = BytesMut::from(hello.without_cookie().as_slice());
        let read = expecting(cookie, || endpoint.read(now, REMOTE, None, first));
        let said = drain(&mut endpoint, hello.number);
        let asks = |said: &BytesMut| said.ends_with(&cookie);
        if read.is_err() || !matches!(said.as_slice(), [one] if asks(one)) {
            return Err(if read.is_err() { said } else { Vec::new() });
        }
        Ok(Self {
            endpoint,
            random: *hello.random,
            // RFC 6347, section 4.2.1: the first answer has the number of the second hello. That is
            // one after what asked for the cookie, in rtc-dtls's count as well.
            ahead: hello.number.wrapping_sub(1),
            since: now,
            taken: 0,
            flight: Vec::new(),
            sent: now,
            wait: REPEAT,
            _seat: seat,
        })
    }

    pub(super) fn read(&mut self, part: BytesMut, brought: &mut Brought, now: Instant) -> Progress {
        self.taken += part.len();
        if self.taken > HANDSHAKE_BYTES {
            return Progress::Failed;
        }
        let mut progress = Progress::Going;
        match self.endpoint.read(now, REMOTE, None, part) {
            Ok(events) => {
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => progress = Progress::Done,
                        EndpointEvent::ApplicationData(frame) => brought.frames.push(frame),
                        EndpointEvent::PeerClosed => progress = Progress::Failed,
                        // The enum may grow; what is new there is nothing we asked for.
                        _ => {}
                    }
                }
            }
            Err(_) => progress = Progress::Failed,
        }
        let answers = drain(&mut self.endpoint, self.ahead);
        if !answers.is_empty() {
            self.flight.clone_from(&answers);
            (self.sent, self.wait) = (now, REPEAT);
        }
        brought.answers.extend(answers);
        progress
    }

    /// Whether it has gone on for too long.
    pub(super) fn is_over(&self, limits: &Limits, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= limits.greeting
    }

    /// What goes out again, if it is time.
    pub(super) fn repeat(&mut self, now: Instant) -> &[BytesMut] {
        let due = now.saturating_duration_since(self.sent) >= self.wait;
        if due {
            (self.sent, self.wait) = (now, self.wait.saturating_mul(2));
        }
        self.flight.get(..).filter(|_| due).unwrap_or_default()
    }

    /// The session that came of it.
    pub(super) fn open(self, place: Place, now: Instant) -> Session {
        let Self { endpoint, random, ahead, .. } = self;
        Session { endpoint, random, ahead, place, heard: now, held: now, taken: 0 }
    }

    /// What tells the client that there is no place for its session.
    pub(super) fn refuse(mut self, now: Instant) -> Vec<BytesMut> {
        goodbye(&mut self.endpoint, self.ahead, now)
    }
}

/// A session of a client who completed a handshake.
pub(super) struct Session {
    endpoint: Endpoint,
    pub(super) random: [u8; 32],
    ahead: u64,
    place: Place,
    heard: Instant,
    /// When it was last seen to have an allocation; before, when it began.
    held: Instant,
    /// Bytes of handshakes since it stands.
    taken: usize,
}

impl Session {
    /// Whether a record is for a session that stands: what is not encrypted could be anybody's, and
    /// rtc-dtls keeps whatever looks like a handshake. What a client needs to say of one now is its
    /// last message, when our answer to that was lost (RFC 6347, section 4.2.4).
    pub(super) fn takes(&mut self, record: &Record<'_>) -> bool {
        if record.epoch == 0 || record.kind != HANDSHAKE {
            return record.epoch > 0;
        }
        self.taken += record.whole.len();
        self.taken <= HANDSHAKE_BYTES
    }

    pub(super) fn read(&mut self, part: BytesMut, brought: &mut Brought, now: Instant) {
        let read = self.endpoint.read(now, REMOTE, None, part);
        let answers = drain(&mut self.endpoint, self.ahead);
        // Anybody who fakes an address could send what is not understood; it gets no answer.
        let Ok(events) = read else { return };
        if !events.is_empty() {
            self.heard = now;
        }
        brought.answers.extend(answers);
        for event in events {
            match event {
                EndpointEvent::ApplicationData(frame) => brought.frames.push(frame),
                EndpointEvent::PeerClosed => brought.closed = true,
                // The enum may grow; what is new there is nothing we asked for.
                _ => {}
            }
        }
    }

    /// Encrypts a frame; what comes out goes to the client.
    pub(super) fn seal(&mut self, frame: &[u8], now: Instant) -> Option<BytesMut> {
        self.endpoint.write(now, REMOTE, frame).ok()?;
        Some(self.endpoint.poll_transmit()?.message)
    }

    /// Notes that it has an allocation now.
    pub(super) fn holds(&mut self, now: Instant) {
        self.held = now;
    }

    /// Whether it has been silent or without an allocation for too long.
    pub(super) fn is_over(&self, limits: &Limits, now: Instant) -> bool {
        let since = |then| now.saturating_duration_since(then);
        since(self.heard) >= limits.idle || since(self.held) >= limits.unused
    }

    /// Leaves its place to another.
    pub(super) fn leave(self) -> Place {
        self.place
    }

    /// Says goodbye; what comes out goes to the client.
    pub(super) fn close(mut self, now: Instant) -> Vec<BytesMut> {
        goodbye(&mut self.endpoint, self.ahead, now)
    }
}

/// The records of a datagram that somebody wants.
pub(super) fn part(datagram: &[u8], mut wants: impl FnMut(&Record<'_>) -> bool) -> BytesMut {
    let mut part = BytesMut::with_capacity(datagram.len());
    for record in records(datagram).filter(|record| wants(record)) {
        part.extend_from_slice(record.whole);
    }
    part
}

fn goodbye(endpoint: &mut Endpoint, ahead: u64, now: Instant) -> Vec<BytesMut> {
    // Without one the client finds out by itself.
    let _said = endpoint.close(now);
    drain(endpoint, ahead)
}

/// What an endpoint has to say, with numbers that go on from those of the client's hellos.
fn drain(endpoint: &mut Endpoint, ahead: u64) -> Vec<BytesMut> {
    let said = std::iter::from_fn(|| endpoint.poll_transmit());
    said.map(|said| {
        let mut datagram = said.message;
        renumber(&mut datagram, ahead);
        datagram
    })
    .collect()
}
