//! Proof that a message comes from somebody who knows the key (RFC 8489, sections 9.2 and 14.5
//! to 14.6). Comparison takes constant time.

use aws_lc_rs::{constant_time, digest, hmac};
use md5::{Digest, Md5};

/// Which attribute proves a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MESSAGE-INTEGRITY.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

/// How a password becomes a key (RFC 8489, section 18.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordAlgorithm {
    Md5,
    Sha256,
}

/// The algorithms this server offers, strongest first, as PASSWORD-ALGORITHMS carries them. None
/// has parameters.
pub const PASSWORD_ALGORITHMS: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

impl PasswordAlgorithm {
    /// Reads PASSWORD-ALGORITHM; `None` for one that was not offered.
    pub fn read(value: &[u8]) -> Option<Self> {
        match value {
            [0, 1, 0, 0] => Some(Self::Md5),
            [0, 2, 0, 0] => Some(Self::Sha256),
            _ => None,
        }
    }

    /// The long-term credential key (RFC 8489, section 9.2.2).
    pub fn key(self, username: &str, realm: &str, password: &str, integrity: Algorithm) -> Key {
        let text = [username, ":", realm, ":", password];
        match self {
            Self::Md5 => {
                let mut md5 = Md5::new();
                text.iter().for_each(|part| md5.update(part.as_bytes()));
                Key::new(integrity, &md5.finalize())
            }
            Self::Sha256 => {
                let mut sha256 = digest::Context::new(&digest::SHA256);
                text.iter().for_each(|part| sha256.update(part.as_bytes()));
                Key::new(integrity, sha256.finish().as_ref())
            }
        }
    }
}

/// USERHASH of a user (RFC 8489, section 14.4).
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    let mut sha256 = digest::Context::new(&digest::SHA256);
    [username, ":", realm].iter().for_each(|part| sha256.update(part.as_bytes()));
    let mut hash = [0; 32];
    hash.copy_from_slice(sha256.finish().as_ref());
    hash
}

/// A key, for one integrity algorithm, ready to be used.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    key: hmac::Key,
    bytes: Box<[u8]>,
}

/// A key to be kept: what is ready to be used takes most of a kilobyte.
#[derive(Clone)]
pub(crate) struct StoredKey {
    algorithm: Algorithm,
    bytes: Box<[u8]>,
}

impl StoredKey {
    /// The key, if it is for this algorithm.
    pub(crate) fn unpack(&self, algorithm: Algorithm) -> Option<Key> {
        (self.algorithm == algorithm).then(|| Key::new(algorithm, &self.bytes))
    }
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Key {
    /// A key of these bytes.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let hash = match algorithm {
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => hmac::HMAC_SHA256,
        };
        Self { algorithm, key: hmac::Key::new(hash, bytes), bytes: bytes.into() }
    }

    pub(crate) fn store(&self) -> StoredKey {
        StoredKey { algorithm: self.algorithm, bytes: self.bytes.clone() }
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The tag of a message whose length field counts the tag's attribute already.
    pub fn sign(&self, message: &[u8]) -> hmac::Tag {
        hmac::sign(&self.key, message)
    }

    /// Verifies the tag of the integrity attribute that begins at `offset` of `message`.
    pub fn verify(&self, message: &[u8], offset: usize, tag: &[u8]) -> bool {
        let whole = match self.algorithm {
            Algorithm::Sha1 => tag.len() == 20,
            // May be cut to no less than half (RFC 8489, section 14.6).
            Algorithm::Sha256 => (16..=32).contains(&tag.len()) && tag.len().is_multiple_of(4),
        };
        let (Some([t0, t1, _, _]), Some(rest), true) =
            (message.first_chunk::<4>(), message.get(4..offset), whole)
        else {
            return false;
        };
        // The length field counts up to and including this attribute, whatever follows it.
        let Some(Ok(length)) = (offset + 4 + tag.len()).checked_sub(20).map(u16::try_from) else {
            return false;
        };
        let [l0, l1] = length.to_be_bytes();
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[*t0, *t1, l0, l1]);
        context.update(rest);
        let expected = context.sign();
        let Some(expected) = expected.as_ref().get(..tag.len()) else { return false };
        constant_time::verify_slices_are_equal(expected, tag).is_ok()
    }
}
