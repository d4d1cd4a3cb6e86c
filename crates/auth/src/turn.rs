//! Ephemeral TURN credentials, which the relay checks without asking anybody.
//!
//! The scheme is that of draft-uberti-behave-turn-rest-00: the user name carries the expiry, the
//! password is the user name's MAC under a secret that signaling and the relay share. The relay
//! uses both as long-term credentials (RFC 8489, section 9.2).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use confer_protocol::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::key::Secret;

/// What a client gives the relay.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `<seconds since 1970>:<user>`.
    pub username: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, …)", self.username)
    }
}

/// Credentials of `user` that the relay accepts until `expires_at`.
pub fn credentials(secret: &Secret, user: &str, expires_at: Timestamp) -> Credentials {
    let username = format!("{}:{user}", expires_at.0.unix_timestamp());
    let password = password(secret, &username);
    Credentials { username, password }
}

/// The password that belongs to a user name.
pub fn password(secret: &Secret, username: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.expose()).expect("HMAC takes keys of every length");
    mac.update(username.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Until when a user name is good, and whose it is.
pub fn parse(username: &str) -> Option<(Timestamp, &str)> {
    let (seconds, user) = username.split_once(':')?;
    let expires_at = time::OffsetDateTime::from_unix_timestamp(seconds.parse().ok()?).ok()?;
    Some((Timestamp(expires_at), user))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `openssl dgst -sha1 -hmac … -binary | base64`.
    #[test]
    fn the_password_is_the_mac_of_the_user_name() {
        let secret = Secret::new("0123456789abcdef0123456789abcdef").expect("it is long enough");
        let expires_at = time::OffsetDateTime::from_unix_timestamp(1_800_000_000);
        let expires_at = Timestamp(expires_at.expect("it is a date"));
        let made = credentials(&secret, "alice", expires_at);
        assert_eq!(made.username, "1800000000:alice");
        assert_eq!(made.password, "TIaHRNkws/BwdnUQtrNiaMdKjYg=");
        assert_eq!(parse(&made.username), Some((expires_at, "alice")));
        assert!(!format!("{made:?}").contains(&made.password));
    }

    #[test]
    fn user_names_without_an_expiry_are_no_credentials() {
        for wrong in ["alice", ":alice", "soon:alice", "99999999999999999999:alice", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
