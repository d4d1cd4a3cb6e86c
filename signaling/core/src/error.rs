//! What each operation can be refused for, and the code clients see.

use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::{Mid, ParticipantId, TrackId};
use confer_protocol::room::TrackSource;

/// The operation needs a seat and the connection has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("This socket is in no room: join one first.")]
pub struct NotJoined;

/// Why somebody could not take a seat.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The connection has a seat.
    #[error("This socket is in a room already: leave it first, or open another socket.")]
    AlreadyJoined,
    /// [`Limits::participants_per_room`](crate::Limits) are taken.
    #[error("The room is full: it holds {limit} participants.")]
    RoomFull { limit: usize },
    /// [`Limits::seats_per_user`](crate::Limits) are taken by sockets that live.
    #[error("You are in this room {limit} times already: leave it on another device or tab.")]
    TooManySeats { limit: usize },
    /// [`Limits::rooms`](crate::Limits) are taken.
    #[error("The server has no place for another call now.")]
    TooManyRooms,
    /// The server takes nobody in any more.
    #[error("The server is about to restart: reconnect in a moment.")]
    Draining,
    /// The media plane refused; its own words.
    #[error("{}", .0.message)]
    Media(ErrorBody),
}

/// Why a seat could not be taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// The connection has a seat.
    #[error("This socket is in a room already: resume on a fresh one.")]
    AlreadyJoined,
    /// No such ticket, of another user, or of another epoch. Which of them is not told.
    #[error("The seat is gone: join the room anew.")]
    Refused,
}

/// Why an offer was not handed to the media plane.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Its id is not above those of earlier offers, or a later one overtook it.
    #[error("Offer {offer_id} is out of date: offer again with a higher id.")]
    Stale { offer_id: u32 },
    /// The permissions lack this source.
    #[error("You may not publish {source_name} here.", source_name = source_name(*.track_source))]
    NotGranted { track_source: TrackSource },
    /// [`Limits::tracks_per_participant`](crate::Limits) or `tracks_per_room` would be exceeded.
    #[error("That would be more than {limit} tracks: stop publishing one first.")]
    TooManyTracks { limit: usize },
    /// Two entries of `publish` name one m-line.
    #[error("The m-line {mid} is published twice.")]
    DuplicateMid { mid: Mid },
    /// A track cannot change where it comes from.
    #[error("The m-line {mid} carries another source: unpublish that track first.")]
    SourceChanged { mid: Mid },
    /// The media plane did not answer in time.
    #[error("The media server did not answer: offer again with a higher id.")]
    TimedOut,
    /// The media plane refused; its own words.
    #[error("{}", .0.message)]
    Media(ErrorBody),
}

/// Why a track was not muted or unpublished.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrackError {
    /// The participant publishes no such track; somebody else's is none of its business.
    #[error("You publish no track {track}.")]
    NotYours { track: TrackId },
    /// The media plane refused; its own words.
    #[error("{}", .0.message)]
    Media(ErrorBody),
}

/// Why a subscription was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The permissions lack it.
    #[error("You may not receive media here.")]
    NotGranted,
    /// The media plane refused; its own words.
    #[error("{}", .0.message)]
    Media(ErrorBody),
}

/// Why a participant was not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// The permissions lack moderation.
    #[error("Only a moderator may remove participants.")]
    NotModerator,
    /// Nobody of that id is in the room.
    #[error("The room has no participant {participant}.")]
    NotHere { participant: ParticipantId },
    /// For that there is `leave`.
    #[error("You cannot remove yourself: leave instead.")]
    Yourself,
}

fn source_name(source: TrackSource) -> &'static str {
    match source {
        TrackSource::Microphone => "a microphone",
        TrackSource::Camera => "a camera",
        TrackSource::Screen => "a screen",
        TrackSource::ScreenAudio => "a screen's audio",
    }
}

impl From<NotJoined> for ErrorBody {
    fn from(error: NotJoined) -> Self {
        Self::new(ErrorCode::NotJoined, error.to_string())
    }
}

impl From<JoinError> for ErrorBody {
    fn from(error: JoinError) -> Self {
        let code = match &error {
            JoinError::AlreadyJoined => ErrorCode::AlreadyJoined,
            JoinError::RoomFull { .. } => ErrorCode::RoomFull,
            JoinError::TooManySeats { .. } => ErrorCode::Conflict,
            JoinError::TooManyRooms => ErrorCode::Unavailable,
            JoinError::Draining => ErrorCode::Draining,
            JoinError::Media(body) => return body.clone(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<ResumeError> for ErrorBody {
    fn from(error: ResumeError) -> Self {
        let code = match error {
            ResumeError::AlreadyJoined => ErrorCode::AlreadyJoined,
            ResumeError::Refused => ErrorCode::ResumeRefused,
        };
        Self::new(code, error.to_string())
    }
}

impl From<OfferError> for ErrorBody {
    fn from(error: OfferError) -> Self {
        let (code, field) = match &error {
            OfferError::Stale { .. } => (ErrorCode::StaleOffer, Some("offer_id")),
            OfferError::NotGranted { .. } => (ErrorCode::PublishNotGranted, Some("publish")),
            OfferError::TooManyTracks { .. } => (ErrorCode::TooManyTracks, Some("publish")),
            OfferError::DuplicateMid { .. } | OfferError::SourceChanged { .. } => {
                (ErrorCode::Invalid, Some("publish"))
            }
            OfferError::TimedOut => (ErrorCode::Unavailable, None),
            OfferError::Media(body) => return body.clone(),
        };
        let message = error.to_string();
        match field {
            Some(field) => Self::new(code, message.clone()).with_field(field, message),
            None => Self::new(code, message),
        }
    }
}

impl From<TrackError> for ErrorBody {
    fn from(error: TrackError) -> Self {
        match &error {
            TrackError::NotYours { .. } => Self::new(ErrorCode::NotFound, error.to_string()),
            TrackError::Media(body) => body.clone(),
        }
    }
}

impl From<SubscribeError> for ErrorBody {
    fn from(error: SubscribeError) -> Self {
        match &error {
            SubscribeError::NotGranted => Self::new(ErrorCode::Forbidden, error.to_string()),
            SubscribeError::Media(body) => body.clone(),
        }
    }
}

impl From<RemoveError> for ErrorBody {
    fn from(error: RemoveError) -> Self {
        let code = match error {
            RemoveError::NotModerator => ErrorCode::Forbidden,
            RemoveError::NotHere { .. } => ErrorCode::NotFound,
            RemoveError::Yourself => ErrorCode::Invalid,
        };
        Self::new(code, error.to_string())
    }
}
