//! Protection profiles, and the session keys they derive (RFC 3711, section 4.3; RFC 7714, section 11).

use std::fmt;

use aes::Aes128;
use aes::cipher::{KeyInit, KeyIvInit, StreamCipher};

/// How packets are protected. The names are those of the IANA registry "DTLS-SRTP".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// RFC 7714: about five times cheaper than the other one, and preferred.
    AeadAes128Gcm,
    /// RFC 3711 and RFC 5764: what every WebRTC client has.
    AesCm128HmacSha1_80,
}

impl SrtpProfile {
    /// The name under which IANA registers the profile.
    pub fn name(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Self::AesCm128HmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
        }
    }

    /// Length of the master salt in bytes (RFC 5764, section 4.1.2; RFC 7714, section 12).
    pub fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::AesCm128HmacSha1_80 => 14,
        }
    }

    /// Length of the authentication tag in bytes, which is all that SRTP adds to RTP.
    pub fn tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 16,
            Self::AesCm128HmacSha1_80 => 10,
        }
    }

    /// How many bytes the DTLS exporter must yield (RFC 5764, section 4.2).
    pub fn exporter_len(self) -> usize {
        2 * (KEY_LEN + self.salt_len())
    }
}

/// AES-128 keys are this long under both profiles.
pub(super) const KEY_LEN: usize = 16;

/// The salt of AES-CM; that of AES-GCM is padded with zeros to it when keys are derived.
const SALT_LEN: usize = 14;

/// The secret of one direction.
#[derive(Clone)]
pub struct MasterKey {
    pub(super) key: [u8; KEY_LEN],
    pub(super) salt: [u8; SALT_LEN],
}

impl MasterKey {
    /// Takes a key of 16 bytes and a salt as long as the profile says or shorter.
    ///
    /// `None` when either length is wrong.
    pub fn new(key: &[u8], salt: &[u8]) -> Option<Self> {
        let mut padded = [0; SALT_LEN];
        padded.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(Self { key: key.try_into().ok()?, salt: padded })
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(secret)")
    }
}

/// Both directions' secrets, as a DTLS handshake exports them.
#[derive(Clone, Debug)]
pub struct KeyMaterial {
    /// Protects what the DTLS client sends.
    pub client: MasterKey,
    /// Protects what the DTLS server sends.
    pub server: MasterKey,
}

impl KeyMaterial {
    /// Cuts the exporter's output into its four parts (RFC 5764, section 4.2).
    ///
    /// `None` when it is not [`SrtpProfile::exporter_len`] bytes long.
    pub fn from_exporter(profile: SrtpProfile, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != profile.exporter_len() {
            return None;
        }
        let (keys, salts) = bytes.split_at(2 * KEY_LEN);
        let (client_key, server_key) = keys.split_at(KEY_LEN);
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Some(Self {
            client: MasterKey::new(client_key, client_salt)?,
            server: MasterKey::new(server_key, server_salt)?,
        })
    }
}

/// What a session key is for (RFC 3711, section 4.3.1). RTCP's labels follow RTP's.
#[derive(Clone, Copy)]
pub(super) enum Label {
    RtpCipher = 0,
    RtpAuth = 1,
    RtpSalt = 2,
    RtcpCipher = 3,
    RtcpAuth = 4,
    RtcpSalt = 5,
}

/// The key derivation function with a derivation rate of zero (RFC 3711, section 4.3.3).
pub(super) fn derive<const N: usize>(master: &MasterKey, label: Label) -> [u8; N] {
    let mut counter = [0; 16];
    counter[..SALT_LEN].copy_from_slice(&master.salt);
    counter[7] ^= label as u8;
    let mut out = [0; N];
    ctr::Ctr128BE::<Aes128>::new(&master.key.into(), &counter.into()).apply_keystream(&mut out);
    out
}

/// The block cipher of AES-CM with its key schedule, made once per session key.
pub(super) fn block_cipher(key: &[u8; KEY_LEN]) -> Aes128 {
    Aes128::new(key.into())
}
