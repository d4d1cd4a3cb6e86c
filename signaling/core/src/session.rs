//! One socket, from the first frame to the last.
//!
//! Feed one [`Input`], drain [`Session::poll_output`] until it returns `None`, then wait no longer
//! than [`Session::poll_timeout`]; read the socket only while [`Session::wants_input`]. The seat in
//! a room is not here: it belongs to the [`Hub`](crate::Hub) and outlives this.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use confer_auth::Identity;
use confer_protocol::client::ClientFrame;
use confer_protocol::error::{CloseCode, ErrorBody, ErrorCode};
use confer_protocol::server::{Notice, Reply, ServerFrame, Welcome};

use crate::Limits;
use crate::ask::{Ask, Sorted};
use crate::rate_limit::{Bucket, Verdict};
use crate::validate::validate;

#[cfg(test)]
mod tests;

/// Something the outside world did.
#[derive(Debug)]
pub enum Input {
    /// A token came with the handshake.
    Token(String),
    Text(String),
    /// A frame that is not text.
    Binary,
    /// A frame over [`Limits::frame_bytes`], which was not read.
    TooLarge,
    /// The word on the token of [`Output::Authenticate`].
    Authenticated(Result<Authenticated, ErrorBody>),
    /// The answer to an [`Output::Ask`].
    Answer {
        request: u32,
        outcome: Result<Reply, ErrorBody>,
    },
    /// Somebody else decided that this socket ends.
    Close(CloseCode),
    /// Time has reached [`Session::poll_timeout`].
    Timeout,
}

/// Who a token names, and for how long.
#[derive(Clone, Debug)]
pub struct Authenticated {
    pub identity: Identity,
    pub valid_for: Duration,
}

/// Something the caller must now do.
#[derive(Debug, PartialEq)]
pub enum Output {
    Send(ServerFrame),
    /// Check this token and come back with [`Input::Authenticated`].
    Authenticate {
        token: String,
    },
    /// Have this answered and come back with [`Input::Answer`].
    Ask {
        request: u32,
        ask: Ask,
    },
    /// Close the socket. Always the last output.
    Close(CloseCode),
}

/// One socket's state. See the module.
#[derive(Debug)]
pub struct Session {
    limits: Arc<Limits>,
    /// What [`Welcome::server`] says.
    server: Arc<str>,
    state: State,
    heard_at: Instant,
    frames: Bucket,
    bytes: Bucket,
    /// Requests whose answers are owed.
    in_flight: BTreeSet<u32>,
    malformed: u32,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
enum State {
    AwaitingAuth {
        until: Instant,
    },
    /// `request` asked for it, unless the token came with the handshake.
    Authenticating {
        until: Instant,
        request: Option<u32>,
    },
    Ready(Ready),
    Closed,
}

#[derive(Debug)]
struct Ready {
    identity: Arc<Identity>,
    expiry: Expiry,
    /// A request that must be through before the next one is looked at: a join, so that an offer
    /// can be sent right behind it, or a change of token.
    busy: Option<u32>,
}

#[derive(Debug)]
enum Expiry {
    /// Farther away than the clock counts.
    Never,
    Ahead {
        warn_at: Instant,
        at: Instant,
    },
    Warned {
        at: Instant,
    },
}

impl Session {
    /// A socket was opened.
    pub fn new(limits: Arc<Limits>, server: Arc<str>, now: Instant) -> Self {
        Self {
            state: State::AwaitingAuth { until: now + limits.auth_timeout },
            heard_at: now,
            frames: Bucket::new(limits.frames_per_second, limits.frame_burst, now),
            bytes: Bucket::new(limits.bytes_per_second, limits.byte_burst, now),
            in_flight: BTreeSet::new(),
            malformed: 0,
            outputs: VecDeque::new(),
            limits,
            server,
        }
    }

    /// Advances the session by one input.
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        // Deadlines first: a frame that comes too late does not save the session.
        self.check_deadlines(now);
        if let State::Closed = self.state {
            return;
        }
        match input {
            Input::Token(token) => self.authenticate(None, token),
            Input::Text(text) => self.handle_text(&text, now),
            Input::Binary => {
                let message = "Frames of this protocol are JSON text, this one was binary.";
                self.refuse(None, ErrorBody::new(ErrorCode::Malformed, message));
                self.close(CloseCode::Malformed);
            }
            Input::TooLarge => {
                let limit = self.limits.frame_bytes;
                let message = format!("A frame has at most {limit} bytes.");
                self.refuse(None, ErrorBody::new(ErrorCode::TooLarge, message));
                self.close(CloseCode::TooLarge);
            }
            Input::Authenticated(outcome) => self.handle_authenticated(outcome, now),
            Input::Answer { request, outcome } => self.handle_answer(request, outcome),
            Input::Close(code) => self.close(code),
            Input::Timeout => {}
        }
    }

    /// Takes the next thing to do, in the order it was decided.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The latest instant at which the session wants [`Input::Timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::AwaitingAuth { until } | State::Authenticating { until, .. } => Some(*until),
            State::Ready(ready) => {
                let silence = self.heard_at + self.limits.silence();
                Some(match ready.expiry {
                    Expiry::Never => silence,
                    Expiry::Ahead { warn_at, .. } => silence.min(warn_at),
                    Expiry::Warned { at } => silence.min(at),
                })
            }
            State::Closed => None,
        }
    }

    /// Whether the next frame may be read. While not, the peer is held back by TCP.
    pub fn wants_input(&self) -> bool {
        match &self.state {
            State::AwaitingAuth { .. } => true,
            State::Authenticating { .. } | State::Closed => false,
            State::Ready(ready) => ready.busy.is_none(),
        }
    }

    /// Who this is, once it is known.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        match &self.state {
            State::Ready(ready) => Some(&ready.identity),
            State::AwaitingAuth { .. } | State::Authenticating { .. } | State::Closed => None,
        }
    }

    fn check_deadlines(&mut self, now: Instant) {
        match &mut self.state {
            State::AwaitingAuth { until } | State::Authenticating { until, .. } => {
                if *until <= now {
                    self.close(CloseCode::AuthTimeout);
                }
            }
            State::Ready(ready) => {
                if let Expiry::Ahead { warn_at, at } = ready.expiry
                    && warn_at <= now
                {
                    ready.expiry = Expiry::Warned { at };
                    let notice = Notice::TokenExpiring { in_ms: millis(at - now) };
                    self.outputs.push_back(Output::Send(ServerFrame::Notice { notice }));
                }
                if let Expiry::Warned { at } = ready.expiry
                    && at <= now
                {
                    self.close(CloseCode::TokenExpired);
                } else if self.heard_at + self.limits.silence() <= now {
                    self.close(CloseCode::HeartbeatMissed);
                }
            }
            State::Closed => {}
        }
    }

    fn handle_text(&mut self, text: &str, now: Instant) {
        self.heard_at = now;
        let wait = match (self.frames.take(1, now), self.bytes.take(text.len(), now)) {
            (Verdict::Abusive, _) | (_, Verdict::Abusive) => {
                return self.close(CloseCode::RateLimited);
            }
            (Verdict::Within, Verdict::Within) => None,
            (Verdict::Over { wait }, Verdict::Within)
            | (Verdict::Within, Verdict::Over { wait }) => Some(wait),
            (Verdict::Over { wait: one }, Verdict::Over { wait: other }) => Some(one.max(other)),
        };
        let ClientFrame { id, request } = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => return self.refuse_malformed(text, &error),
        };
        if self.in_flight.contains(&id) {
            // Not answered under its id: that answer belongs to the first request.
            let message = format!("Request {id} is not answered yet: choose another id.");
            let error = ErrorBody::new(ErrorCode::Invalid, message).with_field("id", "in use");
            return self.refuse(None, error);
        }
        if let Some(wait) = wait {
            return self.refuse(Some(id), too_fast("Too many requests: slow down.", wait));
        }
        if let Err(error) = validate(&request, &self.limits) {
            return self.refuse(Some(id), error);
        }
        match Sorted::from(request) {
            Sorted::Auth { token } => self.authenticate(Some(id), token),
            Sorted::Ping => self.send_result(id, Reply::Ping),
            Sorted::Ask(ask) => self.ask(id, ask),
        }
    }

    fn refuse_malformed(&mut self, text: &str, error: &serde_json::Error) {
        let body = ErrorBody::new(
            ErrorCode::Malformed,
            format!("The frame is not a request this server knows: {error}."),
        );
        // A request this server is too old for still gets its answer.
        let request = serde_json::from_str::<serde_json::Value>(text)
            .ok()
            .and_then(|value| value.get("id")?.as_u64())
            .and_then(|id| u32::try_from(id).ok())
            .filter(|id| !self.in_flight.contains(id));
        self.refuse(request, body);
        if request.is_none() {
            self.malformed += 1;
            if self.malformed >= self.limits.malformed_frames {
                self.close(CloseCode::Malformed);
            }
        }
    }

    fn authenticate(&mut self, request: Option<u32>, token: String) {
        match &mut self.state {
            State::AwaitingAuth { until } => {
                self.state = State::Authenticating { until: *until, request };
            }
            State::Ready(ready) => ready.busy = request,
            // Nothing is read while a token is being checked.
            State::Authenticating { .. } | State::Closed => return,
        }
        self.in_flight.extend(request);
        self.outputs.push_back(Output::Authenticate { token });
    }

    fn handle_authenticated(&mut self, outcome: Result<Authenticated, ErrorBody>, now: Instant) {
        match (&mut self.state, outcome) {
            (State::Authenticating { request, .. }, Ok(granted)) => {
                let request = *request;
                let identity = Arc::new(granted.identity);
                self.heard_at = now;
                let welcome = Welcome {
                    user: identity.user.clone(),
                    server: self.server.to_string(),
                    heartbeat_ms: millis(self.limits.heartbeat),
                    max_frame_bytes: u32::try_from(self.limits.frame_bytes).unwrap_or(u32::MAX),
                };
                self.outputs.push_back(Output::Send(ServerFrame::Welcome(welcome)));
                let expiry = self.expiry(granted.valid_for, now);
                self.state = State::Ready(Ready { identity, expiry, busy: None });
                if let Some(request) = request {
                    self.handle_answer(request, Ok(Reply::Auth));
                }
            }
            (State::Authenticating { request, .. }, Err(error)) => {
                let request = *request;
                let code = close_code(error.code);
                self.refuse(request, error);
                self.close(code);
            }
            (State::Ready(ready), outcome) => {
                let Some(request) = ready.busy else { return };
                let outcome = match outcome {
                    Ok(granted) if granted.identity.user.id != ready.identity.user.id => {
                        let message = "A socket keeps its user: open another one for this token.";
                        Err(ErrorBody::new(ErrorCode::Forbidden, message))
                    }
                    Ok(granted) => {
                        ready.identity = Arc::new(granted.identity);
                        let expiry = self.expiry(granted.valid_for, now);
                        if let State::Ready(ready) = &mut self.state {
                            ready.expiry = expiry;
                        }
                        Ok(Reply::Auth)
                    }
                    Err(error) => Err(error),
                };
                self.handle_answer(request, outcome);
            }
            (State::AwaitingAuth { .. } | State::Closed, _) => {}
        }
    }

    fn expiry(&self, valid_for: Duration, now: Instant) -> Expiry {
        match now.checked_add(valid_for) {
            None => Expiry::Never,
            Some(at) => {
                let warn_at =
                    at.checked_sub(self.limits.expiry_notice).map_or(now, |it| it.max(now));
                Expiry::Ahead { warn_at, at }
            }
        }
    }

    fn ask(&mut self, request: u32, ask: Ask) {
        let State::Ready(ready) = &mut self.state else {
            let message = "Send `auth` first: this socket has presented no token.";
            return self.refuse(Some(request), ErrorBody::new(ErrorCode::Unauthenticated, message));
        };
        if self.in_flight.len() >= self.limits.requests_in_flight {
            let message = "Too many requests wait for their answers: wait for some of them.";
            return self.refuse(Some(request), too_fast(message, Duration::from_millis(100)));
        }
        if let Ask::Join { .. } | Ask::Resume(_) = ask {
            ready.busy = Some(request);
        }
        self.in_flight.insert(request);
        self.outputs.push_back(Output::Ask { request, ask });
    }

    fn handle_answer(&mut self, request: u32, outcome: Result<Reply, ErrorBody>) {
        if let State::Ready(ready) = &mut self.state
            && ready.busy == Some(request)
        {
            ready.busy = None;
        }
        // Exactly one answer per request, whoever else thinks to have one.
        if self.in_flight.remove(&request) {
            match outcome {
                Ok(reply) => self.send_result(request, reply),
                Err(error) => self.refuse(Some(request), error),
            }
        }
    }

    fn send_result(&mut self, re: u32, result: Reply) {
        self.outputs.push_back(Output::Send(ServerFrame::Result { re, result }));
    }

    fn refuse(&mut self, re: Option<u32>, error: ErrorBody) {
        self.outputs.push_back(Output::Send(ServerFrame::Error { re, error }));
    }

    fn close(&mut self, code: CloseCode) {
        if !matches!(self.state, State::Closed) {
            self.state = State::Closed;
            self.in_flight.clear();
            self.outputs.push_back(Output::Close(code));
        }
    }
}

/// How a socket ends whose token was refused.
fn close_code(error: ErrorCode) -> CloseCode {
    match error {
        ErrorCode::TokenExpired => CloseCode::TokenExpired,
        ErrorCode::Unavailable
        | ErrorCode::Internal
        | ErrorCode::Draining
        | ErrorCode::RateLimited => CloseCode::TryAgainLater,
        // Whatever else is wrong with a token, presenting it again does not help.
        _ => CloseCode::Refused,
    }
}

fn too_fast(message: &str, wait: Duration) -> ErrorBody {
    let retry_after_ms = Some(millis(wait).max(1));
    ErrorBody { retry_after_ms, ..ErrorBody::new(ErrorCode::RateLimited, message) }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
