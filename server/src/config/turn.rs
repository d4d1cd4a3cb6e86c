use std::path::PathBuf;
use std::time::Duration;

use confer_auth::Secret;

use super::error::ConfigError;
use super::section::section;

section! {
    /// `[turn]`: relays for clients whose network lets them reach nothing but a relay.
    ///
    /// Name servers that you run, such as coturn with `use-auth-secret`. Whoever has joined a room
    /// gets credentials of their own, and nobody else does.
    pub(crate) struct TurnSection in "turn" {
        /// What clients are told, such as `["turn:turn.example.org:3478?transport=tcp"]`.
        ///
        /// `stun:` URLs are of no use here: the media plane needs none.
        urls: Vec<String> = Vec::new(),

        /// File with the secret that the relays share with this server, 32 bytes or more.
        secret_file: Option<PathBuf> = None,

        /// How long credentials are good. A call that goes on for longer loses its relay.
        credential_lifetime: Duration = Duration::from_secs(12 * 3600),
    }
}

/// Relays, and how to let somebody use them.
#[derive(Clone, Debug)]
pub(crate) struct TurnConfig {
    pub(crate) urls: Vec<String>,
    pub(crate) secret: Secret,
    pub(crate) credential_lifetime: Duration,
}

impl TurnSection {
    /// `None` when there are no relays.
    pub(super) fn resolve(self) -> Result<Option<TurnConfig>, ConfigError> {
        let secret = super::secret_file("turn.secret-file", self.secret_file)?;
        let missing = |key, why| Err(ConfigError::Missing { key, why });
        let secret = match (self.urls.is_empty(), secret) {
            (true, None) => return Ok(None),
            (true, Some(_)) => return missing("turn.urls", "there is a turn.secret-file"),
            (false, None) => return missing("turn.secret-file", "there are turn.urls"),
            (false, Some(secret)) => secret,
        };
        if let Some(url) = self.urls.iter().find(|url| !is_turn(url)) {
            let problem = format!("`{url}` must begin with turn: or turns: (RFC 7065)");
            return Err(ConfigError::Unusable { key: "turn.urls", problem });
        }
        let secret = Secret::new(secret.reveal()).map_err(|error| ConfigError::Unusable {
            key: "turn.secret-file",
            problem: error.to_string(),
        })?;
        let credential_lifetime = self.credential_lifetime;
        Ok(Some(TurnConfig { urls: self.urls, secret, credential_lifetime }))
    }
}

fn is_turn(url: &str) -> bool {
    url.starts_with("turn:") || url.starts_with("turns:")
}
