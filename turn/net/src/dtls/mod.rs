//! DTLS between clients and the relay (RFC 7350), by rtc-dtls.
//!
//! A thread has the sessions of the clients that the kernel gives it. Who says hello is asked for a
//! cookie, and nothing is kept of it before it has shown one
//! ([`Cookies`]; RFC 6347, section 4.2.1). rtc-dtls keys associations by address and never forgets
//! one by itself, so each [`session`] runs in an endpoint of its own under a constant address, and
//! its life is bounded here.
//!
//! A client may begin again where it has a session: it crashed, or a NAT gave its port to another.
//! Its new handshake goes on beside the session and takes its place when it is completed, not
//! before: so who can neither receive what is sent there nor finish a handshake ends nothing (RFC
//! 6347, section 4.2.8).

mod handshakes;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use confer_turn_core::hello::{Hello, is_hello};
use confer_turn_core::record::{HANDSHAKE, well_formed};
use confer_turn_core::{Cookies, DropReason, FiveTuple, Now, Standing};
use rtc_dtls::config::HandshakeConfig;
use tokio::sync::Semaphore;

pub(crate) use self::handshakes::handshakes;
use self::session::{Handshake, Place, Progress, Session, part};
use crate::config::Limits;
use crate::stream::Prefixes;

/// Handshakes of a thread at once. The oldest gives way to a new one.
const HALF_OPEN: usize = 512;
/// Those of one network among them. There is no place for more of it then.
const HALF_OPEN_PER_PREFIX: u32 = 128;
/// How often handshakes are looked after while there are any.
const TICK: Duration = Duration::from_millis(250);

/// Whether a datagram to a port that is shared with STUN is DTLS (RFC 7983).
pub(crate) fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63))
}

/// What a datagram brought.
#[derive(Default)]
pub(crate) struct Brought {
    /// The client had a session and has another now: what belonged to the one before is to end
    /// before the frames are taken.
    pub(crate) replaced: bool,
    /// Frames of the client.
    pub(crate) frames: Vec<BytesMut>,
    /// Datagrams that go back.
    pub(crate) answers: Vec<BytesMut>,
    /// The client said goodbye.
    pub(crate) closed: bool,
    /// How many handshakes came to nothing.
    pub(crate) failed: u64,
    /// There was no place for a handshake, or for the session it made.
    pub(crate) refused: bool,
    /// It went no further.
    pub(crate) dropped: Option<DropReason>,
}

/// What became due.
#[derive(Default)]
pub(crate) struct Due {
    /// Datagrams that go out.
    pub(crate) out: Vec<(FiveTuple, BytesMut)>,
    /// Whose sessions are over.
    pub(crate) gone: Vec<FiveTuple>,
    /// How many handshakes came to nothing.
    pub(crate) failed: u64,
}

/// The sessions of one thread.
pub(crate) struct Sessions {
    cookies: Cookies,
    /// How many may be open, on all threads together.
    places: Arc<Semaphore>,
    /// How many of one network.
    prefixes: Prefixes,
    open: HashMap<FiveTuple, Session>,
    /// Handshakes of clients who have shown a cookie, some beside a session of theirs.
    coming: HashMap<FiveTuple, Handshake>,
    coming_prefixes: Prefixes,
    /// In the order they came; some may be over by now.
    half_open: VecDeque<FiveTuple>,
    tick: Option<Instant>,
}

impl Sessions {
    /// No sessions, that will share these limits.
    pub(crate) fn new(cookies: Cookies, places: Arc<Semaphore>, prefixes: Prefixes) -> Self {
        Self {
            cookies,
            places,
            prefixes,
            open: HashMap::new(),
            coming: HashMap::new(),
            coming_prefixes: Prefixes::new(HALF_OPEN_PER_PREFIX),
            half_open: VecDeque::new(),
            tick: None,
        }
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Takes a datagram. `config` makes the sessions of new clients; who says hello is answered if
    /// `admits` says so: what a stranger costs is little, but a handshake has a signature.
    pub(crate) fn take(
        &mut self,
        tuple: FiveTuple,
        datagram: &[u8],
        config: &Arc<HandshakeConfig>,
        admits: impl FnOnce() -> bool,
        now: Now,
    ) -> Brought {
        let mut brought = Brought::default();
        // rtc-dtls ends associations over records that RFC 6347 wants dropped.
        if !well_formed(datagram) {
            brought.dropped = Some(DropReason::NotTurn);
        } else if !is_hello(datagram) {
            self.go_on(tuple, datagram, &mut brought, now.steady);
        } else if let Some(hello) = Hello::read(datagram) {
            match self.cookies.judge(&tuple, &hello, now.unix) {
                Standing::Proven if self.has(&tuple, hello.random) => {
                    // It says so again; our flight goes out again when it is time.
                }
                Standing::Foreign => brought.dropped = Some(DropReason::NoSession),
                _ if !admits() => brought.dropped = Some(DropReason::ChallengesSpent),
                Standing::Stranger => {
                    let cookie = self.cookies.make(&tuple, &hello, now.unix);
                    brought.answers.push(BytesMut::from(&hello.verify_request(&cookie)[..]));
                }
                Standing::Proven => {
                    self.begin(tuple, &hello, config, &mut brought, now.steady);
                    self.go_on(tuple, datagram, &mut brought, now.steady);
                }
            }
        } else {
            brought.dropped = Some(DropReason::NotTurn);
        }
        brought
    }

    /// Encrypts a frame; what comes out goes to the client.
    pub(crate) fn seal(
        &mut self,
        tuple: &FiveTuple,
        frame: &[u8],
        now: Instant,
    ) -> Option<BytesMut> {
        self.open.get_mut(tuple)?.seal(frame, now)
    }

    /// Says goodbye; what comes out goes to the client.
    pub(crate) fn close(&mut self, tuple: &FiveTuple, now: Instant) -> Vec<BytesMut> {
        self.open.remove(tuple).map(|session| session.close(now)).unwrap_or_default()
    }

    /// When [`Sessions::tick`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.tick
    }

    /// Repeats flights, and gives up what has been half-open or silent for too long.
    pub(crate) fn tick(
        &mut self,
        limits: &Limits,
        holds: impl Fn(&FiveTuple) -> bool,
        now: Instant,
    ) -> Due {
        let mut due = Due::default();
        self.coming.retain(|tuple, handshake| {
            let over = handshake.is_over(limits, now);
            if over {
                due.failed += 1;
            } else {
                due.out.extend(handshake.repeat(now).iter().map(|one| (*tuple, one.clone())));
            }
            !over
        });
        for (tuple, session) in &mut self.open {
            if holds(tuple) {
                session.holds(now);
            }
            if session.is_over(limits, now) {
                due.gone.push(*tuple);
            }
        }
        for tuple in &due.gone {
            let goodbye = self.open.remove(tuple).map(|session| session.close(now));
            due.out.extend(goodbye.into_iter().flatten().map(|one| (*tuple, one)));
        }
        self.half_open.retain(|tuple| self.coming.contains_key(tuple));
        let unhurried = limits.idle.min(limits.unused) / 4;
        let next = if self.coming.is_empty() { unhurried } else { TICK };
        let nothing = self.open.is_empty() && self.coming.is_empty();
        self.tick = (!nothing).then_some(now + next);
        due
    }

    /// Whether a client who said this is known already.
    fn has(&self, tuple: &FiveTuple, random: &[u8; 32]) -> bool {
        self.coming.get(tuple).is_some_and(|handshake| handshake.random == *random)
            || self.open.get(tuple).is_some_and(|session| session.random == *random)
    }

    /// Begins a handshake with who has shown a cookie.
    fn begin(
        &mut self,
        tuple: FiveTuple,
        hello: &Hello<'_>,
        config: &Arc<HandshakeConfig>,
        brought: &mut Brought,
        now: Instant,
    ) {
        // Whoever has the port now is not who began there and went away.
        brought.failed += u64::from(self.coming.remove(&tuple).is_some());
        let Some(seat) = self.coming_prefixes.sit(tuple.client.ip()) else {
            brought.refused = true;
            return;
        };
        match Handshake::begin(hello, config, seat, now) {
            Ok(handshake) => {
                // What is over is no longer in the order, nor what this client began before.
                self.half_open.retain(|tuple| self.coming.contains_key(tuple));
                brought.failed += u64::from(self.make_room());
                self.half_open.push_back(tuple);
                self.coming.insert(tuple, handshake);
                self.tick = Some(self.tick.map_or(now + TICK, |tick| tick.min(now + TICK)));
            }
            Err(told) => {
                brought.answers.extend(told);
                brought.failed += 1;
            }
        }
    }

    /// Gives each record to the handshake or the session that it is for.
    fn go_on(&mut self, tuple: FiveTuple, datagram: &[u8], brought: &mut Brought, now: Instant) {
        let beside = self.open.contains_key(&tuple);
        if let Some(handshake) = self.coming.get_mut(&tuple) {
            let part =
                part(datagram, |record| !beside || record.epoch == 0 || record.kind == HANDSHAKE);
            let progress =
                if part.is_empty() { Progress::Going } else { handshake.read(part, brought, now) };
            match progress {
                Progress::Going if beside => {}
                Progress::Going => return,
                Progress::Done => return self.finish(&tuple, brought, now),
                Progress::Failed => {
                    self.coming.remove(&tuple);
                    brought.failed += 1;
                }
            }
        }
        let Some(session) = self.open.get_mut(&tuple) else {
            let unheard = brought.failed == 0 && !brought.refused;
            brought.dropped = unheard.then_some(DropReason::NoSession);
            return;
        };
        let meant = |kind| kind != HANDSHAKE || !self.coming.contains_key(&tuple);
        let part = part(datagram, |record| meant(record.kind) && session.takes(record));
        if part.is_empty() {
            return;
        }
        session.read(part, brought, now);
        if brought.closed {
            self.open.remove(&tuple);
        }
    }

    /// A handshake is completed: its session takes the place of the one before, or a free one.
    fn finish(&mut self, tuple: &FiveTuple, brought: &mut Brought, now: Instant) {
        let Some(handshake) = self.coming.remove(tuple) else { return };
        // The one before is not told: its client is gone, and the new one has other keys.
        let before = self.open.remove(tuple).map(Session::leave);
        brought.replaced = before.is_some();
        match before.or_else(|| self.place(tuple)) {
            Some(place) => {
                self.open.insert(*tuple, handshake.open(place, now));
            }
            None => {
                brought.refused = true;
                brought.frames.clear();
                brought.answers.extend(handshake.refuse(now));
            }
        }
    }

    fn place(&self, tuple: &FiveTuple) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        place.zip(self.prefixes.sit(tuple.client.ip()))
    }

    /// Lets the oldest handshake go when there are too many; says whether one went.
    fn make_room(&mut self) -> bool {
        if self.coming.len() < HALF_OPEN {
            return false;
        }
        self.half_open.pop_front().is_some_and(|oldest| self.coming.remove(&oldest).is_some())
    }
}
