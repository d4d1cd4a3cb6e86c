use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use crate::error::KeyError;

/// HS256 needs a key as long as its hash (RFC 7518, section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// Names a key in a token's header (`kid`, RFC 7515, section 4.1.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=64).contains(&text.len()) && text.chars().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError::BadId)
        }
    }
}

/// A shared secret. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes a secret of at least [`SECRET_BYTES_MIN`] bytes.
    ///
    /// # Errors
    /// When it is shorter.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, KeyError> {
        let bytes = bytes.into();
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(KeyError::SecretTooShort);
        }
        Ok(Self(bytes))
    }

    /// The bytes, for a MAC or for showing a new key once.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A key that makes tokens.
#[derive(Clone)]
pub struct SigningKey {
    pub(crate) id: KeyId,
    pub(crate) key: EncodingKey,
}

impl SigningKey {
    /// A key for HS256.
    pub fn hs256(id: KeyId, secret: &Secret) -> Self {
        Self { id, key: EncodingKey::from_secret(secret.expose()) }
    }

    /// What tokens of this key are checked against.
    pub fn id(&self) -> &KeyId {
        &self.id
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

/// A key that checks tokens, for one algorithm: a token cannot choose another.
#[derive(Clone)]
pub struct VerifyingKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl VerifyingKey {
    /// A shared secret, for HS256.
    pub fn hs256(secret: &Secret) -> Self {
        Self { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret.expose()) }
    }

    /// An Ed25519 public key, for EdDSA: the `x` of its JWK (RFC 8037, section 2).
    ///
    /// # Errors
    /// When it is not 32 bytes in unpadded base64url.
    pub fn ed25519(x: &str) -> Result<Self, KeyError> {
        match URL_SAFE_NO_PAD.decode(x) {
            Ok(bytes) if bytes.len() == 32 => {}
            _ => return Err(KeyError::BadPublicKey),
        }
        let key = DecodingKey::from_ed_components(x).map_err(|_| KeyError::BadPublicKey)?;
        Ok(Self { algorithm: Algorithm::EdDSA, key })
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_are_short_and_plain() {
        assert!("ak_7Hq-3".parse::<KeyId>().is_ok());
        for wrong in ["", "a b", "a/b", "ключ", &"x".repeat(65)] {
            assert_eq!(wrong.parse::<KeyId>(), Err(KeyError::BadId), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_long_and_never_printed() {
        assert_eq!(Secret::new("short"), Err(KeyError::SecretTooShort));
        let secret = Secret::new("a secret of at least 32 bytes, this").expect("it is long enough");
        assert!(!format!("{secret:?}").contains("least"));
    }
}
