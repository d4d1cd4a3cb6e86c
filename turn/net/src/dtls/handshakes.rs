//! How handshakes are done, and how rtc-dtls comes to a cookie that it did not draw.
//!
//! rtc-dtls draws a cookie at random when a hello reaches it, and keeps it until it comes back. Ours
//! are made and checked without keeping anything, before rtc-dtls hears of a client; then it has to
//! expect the cookie that the client has shown already. It asks its provider of cryptography for
//! randomness, the cookie first, so that is where it gets it.

use std::cell::Cell;
use std::sync::Arc;

use confer_turn_core::hello::COOKIE;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_crypto::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom, SignatureScheme};
use rtc_dtls::config::{ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::{Certificate as DtlsCertificate, CryptoPrivateKey};
use rustls::pki_types::PrivateKeyDer;

use crate::certificate::{Certificate, CertificateError};

/// Datagrams of handshakes are at most this long without IP and UDP headers.
const MTU: usize = 1200;

thread_local! {
    /// What the next session's cookie is to be. All threads share what handshakes are done with, and
    /// a session begins within one call on one of them.
    static SHOWN: Cell<Option<[u8; COOKIE]>> = const { Cell::new(None) };
}

/// How handshakes are done with a certificate.
///
/// # Errors
/// When the key is not PKCS#8, or neither ECDSA P-256, RSA nor Ed25519.
pub(crate) fn handshakes(
    certificate: &Certificate,
) -> Result<Arc<HandshakeConfig>, CertificateError> {
    let PrivateKeyDer::Pkcs8(key) = &certificate.key else {
        return Err(CertificateError::DtlsKey);
    };
    let provider = Arc::new(Provider(AwsLcRsProvider::new()));
    let schemes = [
        SignatureScheme::EcdsaP256Sha256,
        SignatureScheme::RsaPkcs1Sha256,
        SignatureScheme::Ed25519,
    ];
    let mut imported = schemes.into_iter().filter_map(|scheme| {
        provider.crypto().import_signing_key(scheme, key.secret_pkcs8_der()).ok()
    });
    let key = imported.next().ok_or(CertificateError::DtlsKey)?;
    let shown = DtlsCertificate {
        certificate: certificate.chain.clone(),
        private_key: CryptoPrivateKey::from_signing_key(key),
    };
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_certificates(vec![shown])
        .with_mtu(MTU)
        .build(false, None);
    Ok(Arc::new(config.map_err(|_| CertificateError::DtlsKey)?))
}

/// Does what begins a session, whose cookie will be this one.
pub(super) fn expecting<T>(cookie: [u8; COOKIE], begin: impl FnOnce() -> T) -> T {
    SHOWN.set(Some(cookie));
    let begun = begin();
    // A session that came to nothing before it drew leaves nothing to the next.
    SHOWN.set(None);
    begun
}

/// The usual cryptography, but for cookies.
struct Provider(AwsLcRsProvider);

impl RTCCryptoProvider for Provider {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.0.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        self
    }
}

impl RTCRandom for Provider {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        match SHOWN.take() {
            Some(cookie) if output.len() == cookie.len() => output.copy_from_slice(&cookie),
            shown => {
                SHOWN.set(shown);
                self.0.random().fill(output)?;
            }
        }
        Ok(())
    }
}
