//! Our certificate, and the fingerprints by which certificates are known in SDP (RFC 8122).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

use super::{DtlsError, provider};

/// A self-signed ECDSA P-256 certificate and its key. Cloning shares them.
#[derive(Clone)]
pub struct Certificate {
    inner: rtc_dtls::crypto::Certificate,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// Makes a new one. It says nothing about us but its key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, DtlsError> {
        let provider = provider();
        let inner = rtc_dtls::crypto::Certificate::generate_self_signed(
            vec!["confer".to_owned()],
            provider.crypto(),
        )
        .map_err(|_| DtlsError::Crypto)?;
        let leaf = inner.certificate.first().ok_or(DtlsError::Crypto)?;
        let fingerprint = Fingerprint::of(HashAlgorithm::Sha256, leaf);
        Ok(Self { inner, fingerprint })
    }

    /// What stands in our SDP.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    pub(super) fn inner(&self) -> &rtc_dtls::crypto::Certificate {
        &self.inner
    }
}

/// The hash functions we accept in `a=fingerprint`. MD5 and SHA-1 are no proof any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashAlgorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl HashAlgorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// A certificate's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// The fingerprint of a certificate in DER.
    pub fn of(algorithm: HashAlgorithm, certificate: &[u8]) -> Self {
        let digest = digest::digest(algorithm.digest(), certificate);
        Self { algorithm, digest: digest.as_ref().to_vec() }
    }

    /// Whether it is the fingerprint of this certificate.
    pub fn matches(&self, certificate: &[u8]) -> bool {
        *self == Self::of(self.algorithm, certificate)
    }
}

/// As in `a=fingerprint` (RFC 8122, section 5).
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        for (at, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

/// Why a fingerprint could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    #[error("hash function of the fingerprint is not SHA-256, SHA-384 or SHA-512")]
    Algorithm,
    #[error("fingerprint is not a list of hexadecimal bytes of the right length")]
    Digest,
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, bytes) = text.trim().split_once(' ').ok_or(FingerprintError::Digest)?;
        let algorithm = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512]
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or(FingerprintError::Algorithm)?;
        let digest = bytes
            .trim()
            .split(':')
            .map(|byte| u8::from_str_radix(byte, 16))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| FingerprintError::Digest)?;
        if digest.len() != algorithm.digest().output_len() {
            return Err(FingerprintError::Digest);
        }
        Ok(Self { algorithm, digest })
    }
}
