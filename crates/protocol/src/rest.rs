//! Bodies of the HTTP routes under `/v1`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::Timestamp;
use crate::chat::{Conversation, ConversationEvent, MessageSeq};
use crate::error::ErrorBody;
use crate::id::{RoomId, UserId};
use crate::room::{RoomInfo, UserInfo};

/// An error body: RFC 9457 problem details with confer's stable code.
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct Problem {
    /// A page about this code, relative to the server.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    #[serde(flatten)]
    pub error: ErrorBody,
    /// Quote it in a bug report; the log line of the request carries it.
    pub request_id: String,
}

/// `POST /v1/auth/register`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    pub email: String,
    /// 10 to 256 characters.
    pub password: String,
    /// What others see, 1 to 64 characters.
    pub name: String,
}

/// `POST /v1/auth/login`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    pub email: String,
    pub password: String,
}

/// `POST /v1/auth/guest`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestRequest {
    pub invite: String,
    pub name: String,
}

/// An access token. The refresh token comes beside it, in an HttpOnly cookie.
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct TokenResponse {
    pub access_token: String,
    /// Seconds until the access token expires.
    pub expires_in: u32,
    pub user: UserInfo,
    /// The room a guest was invited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub room: Option<RoomInfo>,
}

/// `GET /v1/me`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct Me {
    pub user: UserInfo,
    pub email: Option<String>,
}

/// `POST /v1/rooms`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRoomRequest {
    /// 1 to 80 characters.
    pub name: String,
}

/// A room in somebody's list.
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct RoomSummary {
    pub room: RoomInfo,
    pub owner: UserId,
    /// How many are in the call now.
    pub in_call: u32,
    #[ts(type = "number")]
    pub unread: u64,
    pub last_message_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// `GET /v1/rooms`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct RoomList {
    pub rooms: Vec<RoomSummary>,
}

/// `POST /v1/rooms/{room}/invites`
#[derive(Clone, Debug, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CreateInviteRequest {
    /// Seconds until the link stops working. Default: a week.
    pub expires_in: Option<u32>,
    /// How many people may use it. Default: no limit.
    pub max_uses: Option<u32>,
}

/// An invite link's secret part. Shown once; only its hash is stored.
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct Invite {
    pub room: RoomId,
    /// 128 random bits, base64url.
    pub code: String,
    pub expires_at: Timestamp,
}

/// `GET /v1/invites/{code}`: what the person behind a link may know before joining.
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct InvitePreview {
    pub room: RoomInfo,
    pub invited_by: String,
}

/// `POST /v1/conversations`: the direct conversation with somebody, made if there is none.
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenDirectRequest {
    /// The other account's email address.
    pub email: String,
}

/// `GET /v1/conversations`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct ConversationList {
    pub conversations: Vec<Conversation>,
}

/// `PUT /v1/conversations/{conversation}/receipt`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkRequest {
    pub delivered: Option<MessageSeq>,
    pub read: Option<MessageSeq>,
}

/// `GET /v1/conversations/{conversation}/events?after=`
#[derive(Clone, Debug, Serialize, Deserialize, TS, ToSchema)]
pub struct EventPage {
    pub events: Vec<ConversationEvent>,
    pub more: bool,
}
