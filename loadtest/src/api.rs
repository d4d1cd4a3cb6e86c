//! What an application's back end does: mint tokens, create rooms.

use std::time::Duration;

use anyhow::{Context, ensure};
use confer_auth::{AccessToken, Claims, Grants, RoomScope, Secret, SigningKey};
use confer_protocol::Timestamp;
use confer_protocol::id::RoomId;
use confer_protocol::rest::CreateRoomRequest;
use confer_protocol::room::RoomInfo;
use time::OffsetDateTime;

use crate::Target;

/// Longer than any scenario runs.
const TOKEN_LIFETIME: Duration = Duration::from_secs(4 * 3600);

/// The server's HTTP side, with the key that opens it.
pub(crate) struct Api {
    url: String,
    key: SigningKey,
    http: reqwest::Client,
}

impl Api {
    pub(crate) fn open(target: &Target) -> anyhow::Result<Self> {
        let secret = std::fs::read_to_string(&target.secret_file)
            .with_context(|| format!("cannot read {}", target.secret_file.display()))?;
        let key =
            SigningKey::hs256(target.key_id.parse()?, &Secret::new(secret.trim().as_bytes())?);
        let url = target.url.trim_end_matches('/').to_owned();
        Ok(Self { url, key, http: reqwest::Client::new() })
    }

    /// A token for one synthetic user.
    pub(crate) fn token(&self, user: &str, rooms: RoomScope) -> anyhow::Result<AccessToken> {
        let now = Timestamp(OffsetDateTime::now_utc());
        let mut claims = Claims::new(user, now, TOKEN_LIFETIME);
        claims.grants = Grants { rooms, ..Grants::account() };
        Ok(self.key.sign(&claims)?)
    }

    /// Creates a room to put load on.
    pub(crate) async fn create_room(&self, name: &str) -> anyhow::Result<RoomId> {
        let token = self.token("loadtest", RoomScope::All)?;
        let answer = self
            .http
            .post(format!("{}/v1/rooms", self.url))
            .bearer_auth(token.expose())
            .json(&CreateRoomRequest { name: name.to_owned() })
            .send()
            .await
            .with_context(|| format!("{} does not answer", self.url))?;
        let status = answer.status();
        ensure!(status.is_success(), "creating a room: {status}: {}", answer.text().await?);
        let room: RoomInfo = answer.json().await?;
        Ok(room.id)
    }

    /// Where sockets are opened.
    pub(crate) fn socket_url(&self) -> String {
        format!("{}/v1/connect", self.url.replacen("http", "ws", 1))
    }
}
