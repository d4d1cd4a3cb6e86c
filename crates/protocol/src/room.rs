//! What a client sees of a room: participants, their tracks, who may do what.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::id::{Mid, ParticipantId, RoomId, TrackId, UserId};

/// Audio or video.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Audio,
    Video,
}

/// Where a track comes from. A token grants publishing by source.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    Microphone,
    Camera,
    Screen,
    ScreenAudio,
}

impl TrackSource {
    /// Every source, in the order documents list them.
    pub const ALL: [Self; 4] = [Self::Microphone, Self::Camera, Self::Screen, Self::ScreenAudio];

    /// The kind of media this source yields.
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Microphone | Self::ScreenAudio => MediaKind::Audio,
            Self::Camera | Self::Screen => MediaKind::Video,
        }
    }
}

/// What a participant may do in its room, derived from its token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Permissions {
    pub publish: Vec<TrackSource>,
    pub subscribe: bool,
    pub chat_read: bool,
    pub chat_write: bool,
    /// May remove participants, mute their tracks and invite.
    pub moderate: bool,
}

/// What others see of somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct UserInfo {
    pub id: UserId,
    pub name: String,
    pub guest: bool,
}

/// One participant as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ParticipantInfo {
    pub id: ParticipantId,
    pub user: UserInfo,
    /// Its socket is gone and it may come back; its seat and its media are kept meanwhile.
    pub away: bool,
    pub tracks: Vec<TrackInfo>,
}

/// One published track as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct TrackInfo {
    pub id: TrackId,
    pub participant: ParticipantId,
    pub kind: MediaKind,
    pub source: TrackSource,
    pub muted: bool,
}

/// A room as its members see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct RoomInfo {
    pub id: RoomId,
    pub name: String,
}

/// Everything a client needs to show a room, at one moment of its event numbering.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct RoomSnapshot {
    pub room: RoomInfo,
    /// In the order they joined; the reader itself is among them.
    pub participants: Vec<ParticipantInfo>,
    pub slots: SlotMap,
}

/// Which track each pre-negotiated receive m-line carries. A later version replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct SlotMap {
    pub version: u32,
    pub slots: Vec<SlotAssignment>,
    /// How many slots of each kind the client could use now, so that it can grow its pool.
    pub wanted: SlotDemand,
}

/// One receive slot and what it carries now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct SlotAssignment {
    pub mid: Mid,
    pub track: Option<TrackId>,
}

/// Receive slots by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct SlotDemand {
    pub audio: u16,
    pub video: u16,
}
