//! Self-contained access tokens (RFC 7635, section 6.2 and appendix B).

use std::sync::Arc;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Longest token looked at; a whole one has less than a hundred bytes.
const TOKEN_LIMIT: usize = 256;

/// How far the authorization server's clock may be from ours, in seconds (RFC 7635, section 7).
const CLOCK_SKEW: u64 = 5;

/// A key this server shares with an authorization server.
#[derive(Clone)]
pub struct OauthKey {
    key: Arc<LessSafeKey>,
    /// The name of this server in the tokens: their additional authenticated data.
    server_name: String,
}

/// What a token carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) mac_key: Vec<u8>,
    /// Unix time. A token made later than its own lifetime from now is not of a clock like ours
    /// (RFC 7635, section 7).
    pub(super) begins: u64,
    /// Unix time.
    pub(super) expires: u64,
}

impl std::fmt::Debug for OauthKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OauthKey").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl OauthKey {
    /// A key of 16 bytes (AEAD_AES_128_GCM) or 32 (AEAD_AES_256_GCM).
    ///
    /// `None` for any other length.
    pub fn new(key: &[u8], server_name: &str) -> Option<Self> {
        let algorithm = match key.len() {
            16 => &AES_128_GCM,
            32 => &AES_256_GCM,
            _ => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Self { key: Arc::new(key), server_name: server_name.to_owned() })
    }

    /// Decrypts a token; `None` for one that this key did not seal for this server.
    pub(super) fn open(&self, token: &[u8]) -> Option<Opened> {
        if token.len() > TOKEN_LIMIT {
            return None;
        }
        let (length, rest) = token.split_first_chunk::<2>()?;
        let (nonce, sealed) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let nonce = Nonce::assume_unique_for_key(<[u8; NONCE_LEN]>::try_from(nonce).ok()?);
        let mut block = sealed.to_vec();
        let aad = Aad::from(self.server_name.as_bytes());
        let block = self.key.open_in_place(nonce, aad, &mut block).ok()?;

        let (length, rest) = block.split_first_chunk::<2>()?;
        let (mac_key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (timestamp, rest) = rest.split_first_chunk::<8>()?;
        let (lifetime, _) = rest.split_first_chunk::<4>()?;
        // 48 bits of seconds, 16 of fractions.
        let issued = u64::from_be_bytes(*timestamp) >> 16;
        let lifetime = u64::from(u32::from_be_bytes(*lifetime));
        let (begins, expires) =
            (issued.saturating_sub(lifetime + CLOCK_SKEW), issued.saturating_add(lifetime));
        Some(Opened { mac_key: mac_key.to_vec(), begins, expires })
    }

    /// Seals a token, as an authorization server does. For tests and `confer token`.
    pub fn seal(
        &self,
        nonce: [u8; NONCE_LEN],
        mac_key: &[u8],
        issued: u64,
        lifetime: u32,
    ) -> Option<Vec<u8>> {
        let mut block = u16::try_from(mac_key.len()).ok()?.to_be_bytes().to_vec();
        block.extend_from_slice(mac_key);
        block.extend_from_slice(&(issued << 16).to_be_bytes());
        block.extend_from_slice(&lifetime.to_be_bytes());
        let aad = Aad::from(self.server_name.as_bytes());
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(unique, aad, &mut block).ok()?;

        let mut token = u16::try_from(NONCE_LEN).ok()?.to_be_bytes().to_vec();
        token.extend_from_slice(&nonce);
        token.extend_from_slice(&block);
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_token_opens_with_its_key_and_for_its_server_only() {
        let key = OauthKey::new(&[7; 32], "turn.example.org").expect("32 bytes");
        let token = key.seal([1; 12], b"mac key of 20 bytes.", 1000, 600).expect("short");
        let opened = key.open(&token).expect("its own");
        assert_eq!(
            (opened.mac_key.as_slice(), opened.expires),
            (&b"mac key of 20 bytes."[..], 1600)
        );

        assert_eq!(OauthKey::new(&[8; 32], "turn.example.org").expect("32").open(&token), None);
        assert_eq!(OauthKey::new(&[7; 32], "turn.example.net").expect("32").open(&token), None);
        for length in 0..token.len() {
            assert_eq!(key.open(&token[..length]), None, "{length} bytes");
        }
        assert!(OauthKey::new(&[7; 20], "turn.example.org").is_none());
    }
}
