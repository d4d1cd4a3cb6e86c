//! Error codes: stable, part of the protocol, each with its HTTP status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

macro_rules! error_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:literal;)*) => {
        /// Why a request was refused. Changing or removing one breaks clients; adding one does not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $name,)*
        }

        impl ErrorCode {
            /// Every code, for tests and generated pages.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The HTTP status a REST answer with this code carries.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What the code says, in a sentence: for generated pages.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)* }
            }
        }
    };
}

error_codes! {
    /// The frame or body is not valid JSON of the expected shape.
    Malformed = 400;
    /// A field has a value that is not allowed; `fields` names it.
    Invalid = 422;
    /// The frame or body is larger than the limit.
    TooLarge = 413;
    /// No or wrong credentials.
    Unauthenticated = 401;
    /// The access token is past its expiry; refresh it and try again.
    TokenExpired = 401;
    /// The token, session or identity was revoked.
    Revoked = 401;
    /// The identity may not do this.
    Forbidden = 403;
    /// The thing does not exist, or this identity may not know that it does.
    NotFound = 404;
    /// Something with this name exists already.
    Conflict = 409;
    /// Too many requests; wait `retry_after_ms`.
    RateLimited = 429;
    /// The request needs a room and the session is in none.
    NotJoined = 409;
    /// The session is in a room already; leave it first.
    AlreadyJoined = 409;
    /// The room holds as many participants as allowed.
    RoomFull = 409;
    /// The token does not grant publishing this source.
    PublishNotGranted = 403;
    /// The participant or the room holds as many tracks as allowed.
    TooManyTracks = 409;
    /// The offer could not be read or lacks what the server needs; the message says what.
    BadOffer = 422;
    /// No codec of the offer is one the server and the room can use.
    NoCommonCodec = 422;
    /// An offer with this or a later id was answered already.
    StaleOffer = 409;
    /// The resume ticket is unknown, expired or of another identity; join anew.
    ResumeRefused = 409;
    /// The cursor is of another epoch or too far behind; reload from a snapshot.
    ResetRequired = 409;
    /// A part of the server that this needs is not reachable now; try again.
    Unavailable = 503;
    /// The server is shutting down; reconnect after `retry_after_ms`.
    Draining = 503;
    /// A bug in the server. It is logged with the request id.
    Internal = 500;
}

/// One refusal, the same object on the WebSocket and inside a problem+json body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ErrorBody {
    pub code: ErrorCode,
    /// For a person: what is wrong and what to do next.
    pub message: String,
    /// Offending field to what is wrong with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[ts(as = "Option<BTreeMap<String, String>>", optional)]
    pub fields: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry_after_ms: Option<u32>,
}

impl ErrorBody {
    /// An error with nothing but a code and a message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), fields: BTreeMap::new(), retry_after_ms: None }
    }

    /// Names the field that is wrong.
    #[must_use]
    pub fn with_field(mut self, field: &str, problem: impl Into<String>) -> Self {
        self.fields.insert(field.to_owned(), problem.into());
        self
    }
}

macro_rules! close_codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $reconnect:ident;)*) => {
        /// Why the server closed a WebSocket. Below 4000 only the standard codes of RFC 6455.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum CloseCode {
            $($(#[doc = $doc])+ $name = $number,)*
        }

        impl CloseCode {
            /// Every code, in the order of their numbers, for tests and generated pages.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Whether a client should open another socket after this.
            pub fn reconnect(self) -> bool {
                match self { $(Self::$name => close_codes!(@ $reconnect),)* }
            }

            /// What the code says, in a sentence: for generated pages.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)* }
            }
        }
    };
    (@ again) => { true };
    (@ stop) => { false };
}

close_codes! {
    /// The client left or hung up.
    Normal = 1000, stop;
    /// A frame was larger than `max_frame_bytes` of the welcome.
    TooLarge = 1009, stop;
    /// A part of the server that this needs is not reachable now. Reconnect with jitter.
    TryAgainLater = 1013, again;
    /// The server shuts down or moves the session. Reconnect with jitter.
    Drained = 4000, again;
    /// The client reads too slowly. Reconnect and resume.
    TooSlow = 4001, again;
    /// No heartbeat came in time. Reconnect and resume.
    HeartbeatMissed = 4002, again;
    /// Too many frames. Wait before reconnecting.
    RateLimited = 4029, again;
    /// A frame was not of this protocol.
    Malformed = 4400, stop;
    /// The token expired. Refresh, then reconnect.
    TokenExpired = 4401, again;
    /// The token is wrong, was revoked, or the identity was removed.
    Refused = 4403, stop;
    /// No authentication came in time.
    AuthTimeout = 4408, again;
    /// Another socket resumed this session, or the user has too many sockets.
    Replaced = 4409, stop;
    /// The client speaks no version this server does.
    Unsupported = 4426, stop;
}

impl CloseCode {
    /// What the close frame carries.
    pub fn code(self) -> u16 {
        self as u16
    }
}
