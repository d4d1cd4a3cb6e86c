//! What signaling and the media plane tell each other. Inside the server, never on a socket.
//!
//! Commands about one participant are applied in the order they were given. Every
//! [`MediaAction::Offer`] is answered by exactly one [`MediaHappening::Answered`]; events about a
//! participant end after its [`MediaAction::Leave`].

use crate::client::SubscriptionWish;
use crate::error::ErrorBody;
use crate::id::{Mid, ParticipantId, RoomId, TrackId};
use crate::room::{SlotDemand, SlotMap, TrackSource};
use crate::server::TransportState;

/// What signaling wants of the media plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaCommand {
    pub room: RoomId,
    pub participant: ParticipantId,
    pub action: MediaAction,
}

/// The wish itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaAction {
    /// Makes a place. The room exists from its first participant to its last.
    Join {
        subscribe: bool,
    },
    /// Ends the participant's transport and its tracks. Others' slots change without further word.
    Leave,
    /// An offer whose publishing was authorised. A `publish` entry keeps its track for as long as
    /// later offers name the same m-line; one that is missing is unpublished.
    Offer {
        offer_id: u32,
        sdp: String,
        publish: Vec<PublishTrack>,
    },
    /// A candidate of the client, for what it is worth to an ICE-lite agent; none ends them.
    Candidate {
        candidate: Option<String>,
    },
    Mute {
        track: TrackId,
        muted: bool,
    },
    Unpublish {
        track: TrackId,
    },
    Subscribe {
        wishes: Vec<SubscriptionWish>,
        layout: SlotDemand,
    },
}

/// A track that the offer's m-line `mid` carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishTrack {
    pub mid: Mid,
    /// Minted by signaling; ignored when the m-line has a track already.
    pub track: TrackId,
    pub source: TrackSource,
    pub muted: bool,
}

/// What happened in the media plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaEvent {
    pub room: RoomId,
    pub participant: ParticipantId,
    pub happening: MediaHappening,
}

/// The happening itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaHappening {
    Answered {
        offer_id: u32,
        outcome: Result<MediaAnswer, ErrorBody>,
    },
    /// The participant's receive slots carry something else now.
    SlotsChanged {
        slots: SlotMap,
    },
    TransportChanged {
        state: TransportState,
        security: Option<TransportSecurity>,
    },
    /// Who of the room speaks, loudest first. `participant` is the loudest or the last one.
    Speakers {
        speakers: Vec<ParticipantId>,
    },
}

/// The media plane's answer to an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaAnswer {
    pub sdp: String,
    /// Every track the participant publishes after this offer.
    pub published: Vec<PublishTrack>,
    pub slots: SlotMap,
}

/// What the DTLS handshake chose, by the names of the IANA registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportSecurity {
    pub dtls_version: &'static str,
    pub srtp_profile: &'static str,
}
