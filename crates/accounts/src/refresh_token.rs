//! Refresh tokens: each yields exactly one successor, whenever it is asked.
//!
//! A token is the id of its family, a secret, and a tag. The first secret is random; each next one
//! is the MAC of the one before, so the server can repeat an answer that got lost without having
//! kept it. The tag proves that the server made the token: an older genuine one of a living family
//! is a stolen one, junk is only junk and cannot end anybody's login.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confer_auth::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

const FAMILY_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
const TOKEN_BYTES: usize = FAMILY_BYTES + SECRET_BYTES + TAG_BYTES;

/// A token on its way to or from its device. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    family: Uuid,
    secret: [u8; SECRET_BYTES],
    tag: [u8; TAG_BYTES],
}

impl RefreshToken {
    /// The first token of a family.
    pub(crate) fn first(family: Uuid, key: &Secret) -> Self {
        Self::tagged(family, rand::random(), key)
    }

    /// Reads what a client sent; `None` when this server did not make it.
    pub(crate) fn parse(text: &str, key: &Secret) -> Option<Self> {
        let bytes: [u8; TOKEN_BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (family, rest) = bytes.split_first_chunk::<FAMILY_BYTES>()?;
        let (secret, tag) = rest.split_first_chunk::<SECRET_BYTES>()?;
        let token = Self::tagged(Uuid::from_bytes(*family), *secret, key);
        bool::from(token.tag.ct_eq(tag)).then_some(token)
    }

    /// The token that replaces this one.
    pub(crate) fn successor(&self, key: &Secret) -> Self {
        let secret = mac(key, b"next", self.family, &self.secret);
        Self::tagged(self.family, secret, key)
    }

    /// The login it belongs to.
    pub(crate) fn family(&self) -> Uuid {
        self.family
    }

    /// What is stored of it.
    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }

    /// The token as text, for the cookie.
    pub fn expose(&self) -> String {
        let mut bytes = [0; TOKEN_BYTES];
        let parts = self.family.as_bytes().iter().chain(&self.secret).chain(&self.tag);
        for (byte, part) in bytes.iter_mut().zip(parts) {
            *byte = *part;
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn tagged(family: Uuid, secret: [u8; SECRET_BYTES], key: &Secret) -> Self {
        let full = mac(key, b"tag", family, &secret);
        let mut tag = [0; TAG_BYTES];
        for (byte, part) in tag.iter_mut().zip(full) {
            *byte = part;
        }
        Self { family, secret, tag }
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken({}, …)", self.family)
    }
}

fn mac(key: &Secret, purpose: &[u8], family: Uuid, secret: &[u8; SECRET_BYTES]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose()).expect("HMAC takes keys of every length");
    mac.update(purpose);
    mac.update(family.as_bytes());
    mac.update(secret);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: char) -> Secret {
        Secret::new(letter.to_string().repeat(32)).expect("it is long enough")
    }

    #[test]
    fn a_token_survives_its_journey_and_nobody_else_can_make_one() {
        let token = RefreshToken::first(Uuid::from_u128(7), &key('k'));
        let text = token.expose();
        assert_eq!(RefreshToken::parse(&text, &key('k')), Some(token));
        assert_eq!(RefreshToken::parse(&text, &key('x')), None);
        for position in 0..text.len() {
            let mut forged: Vec<char> = text.chars().collect();
            forged[position] = if forged[position] == 'A' { 'B' } else { 'A' };
            let forged: String = forged.into_iter().collect();
            assert_eq!(RefreshToken::parse(&forged, &key('k')), None, "position {position}");
        }
        for junk in ["", "AAAA", "not base64!", &text[1..]] {
            assert_eq!(RefreshToken::parse(junk, &key('k')), None, "{junk}");
        }
    }

    #[test]
    fn a_successor_is_always_the_same_and_never_its_predecessor() {
        let first = RefreshToken::first(Uuid::from_u128(7), &key('k'));
        let second = first.successor(&key('k'));
        assert_eq!(second, first.successor(&key('k')));
        assert_ne!(second.hash(), first.hash());
        assert_eq!(second.family(), first.family());
        assert_ne!(second.successor(&key('k')).hash(), first.hash());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(7),
            failure_persistence: None,
            ..proptest::prelude::ProptestConfig::default()
        })]

        #[test]
        fn no_text_but_our_own_is_a_token(text in ".{0,120}|[A-Za-z0-9_-]{80,90}") {
            proptest::prop_assert_eq!(RefreshToken::parse(&text, &key('k')), None);
        }
    }

    #[test]
    fn tokens_are_never_printed() {
        let token = RefreshToken::first(Uuid::from_u128(7), &key('k'));
        assert!(format!("{token:?}").len() < 60);
    }
}
