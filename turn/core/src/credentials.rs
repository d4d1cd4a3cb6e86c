//! Long-term credentials (RFC 8489, section 9.2): static users, and ephemeral ones whose password
//! is an HMAC of their user name, so that a back end can mint them without telling this server.

use std::collections::BTreeMap;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

/// Longest user name looked at (RFC 8489, section 14.3: less than 509 bytes).
const USERNAME_LIMIT: usize = 508;

/// Who may use the relay.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Shown to clients and part of every key.
    pub realm: String,
    /// Secrets of ephemeral credentials. Several at once let one be replaced without a gap.
    pub secrets: Vec<String>,
    /// Static users and their passwords.
    pub users: BTreeMap<String, String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("realm", &self.realm)
            .field("secrets", &self.secrets.len())
            .field("users", &self.users.len())
            .finish()
    }
}

/// Whether an ephemeral credential's own expiry counts.
///
/// It does when an allocation is made. An allocation may outlive its credential: whoever holds one
/// has proved itself, clients cannot change the credentials of a running allocation, and refusing
/// a refresh would cut calls (coturn#774). Who must go is removed by closing the allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Counts,
    Ignored,
}

impl Credentials {
    /// Finds the key with which `tag` at `offset` of `message` verifies.
    ///
    /// `None` for an unknown user, a wrong password and an expired name alike: the client is told
    /// no more than that.
    pub fn verify(
        &self,
        username: &str,
        message: &[u8],
        offset: usize,
        tag: &[u8],
        expiry: Expiry,
        unix: u64,
    ) -> Option<hmac::Key> {
        if username.len() > USERNAME_LIMIT {
            return None;
        }
        if let Some(password) = self.users.get(username) {
            let key = self.key(username, password);
            return verify_integrity(message, offset, tag, &key).then_some(key);
        }
        let expires: u64 = username.split(':').next()?.parse().ok()?;
        if expiry == Expiry::Counts && expires < unix {
            return None;
        }
        self.secrets.iter().find_map(|secret| {
            let key = self.key(username, &ephemeral_password(secret, username));
            verify_integrity(message, offset, tag, &key).then_some(key)
        })
    }

    /// MD5 of user, realm and password (RFC 8489, section 9.2.2).
    fn key(&self, username: &str, password: &str) -> hmac::Key {
        let mut digest = Md5::new();
        for part in [username, ":", &self.realm, ":", password] {
            digest.update(part.as_bytes());
        }
        hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &digest.finalize())
    }
}

/// The identity inside an ephemeral user name `expiry:identity`, or the whole name. Quotas count by
/// it.
pub fn identity(username: &str) -> &str {
    match username.split_once(':') {
        Some((expiry, identity)) if expiry.bytes().all(|byte| byte.is_ascii_digit()) => identity,
        Some(_) | None => username,
    }
}

/// The password of an ephemeral user name: base64 of HMAC-SHA1 under the shared secret.
pub fn ephemeral_password(secret: &str, username: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, username.as_bytes()))
}

/// Verifies MESSAGE-INTEGRITY (RFC 8489, section 14.5) in constant time.
pub fn verify_integrity(message: &[u8], offset: usize, tag: &[u8], key: &hmac::Key) -> bool {
    let (Some([t0, t1, _, _]), Some(rest)) = (message.first_chunk::<4>(), message.get(4..offset))
    else {
        return false;
    };
    // The length field counts up to and including this attribute, whatever follows it.
    let Some(length) = (offset + 24).checked_sub(20).and_then(|length| u16::try_from(length).ok())
    else {
        return false;
    };
    let [l0, l1] = length.to_be_bytes();
    let mut context = hmac::Context::with_key(key);
    context.update(&[*t0, *t1, l0, l1]);
    context.update(rest);
    constant_time::verify_slices_are_equal(context.sign().as_ref(), tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_what_follows_the_expiry() {
        assert_eq!(identity("1700000000:alice"), "alice");
        assert_eq!(identity("alice"), "alice");
        assert_eq!(identity("tenant:alice"), "tenant:alice");
    }

    #[test]
    fn an_ephemeral_password_is_what_other_servers_compute() {
        // printf 1700000000:alice | openssl dgst -sha1 -hmac s3cr3t -binary | base64
        assert_eq!(
            ephemeral_password("s3cr3t", "1700000000:alice"),
            "81mjszbESz91Gv1n2xG/SVLX+uY="
        );
    }
}
