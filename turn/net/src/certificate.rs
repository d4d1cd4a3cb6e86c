//! What clients over TLS are shown, exchangeable while they are connected.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rtc_dtls::config::HandshakeConfig;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::dtls::handshakes;

/// The names of TURN and of behaviour discovery in TLS handshakes (RFC 7443).
const ALPN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// A chain of certificates, the server's own first, and its private key.
pub struct Certificate {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Certificate {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The key is of no kind we know, or is another certificate's.
    #[error("the certificate and its private key do not fit")]
    Mismatch(#[source] rustls::Error),
    /// DTLS is served, and cannot be with this key.
    #[error("DTLS needs a key of ECDSA P-256, RSA or Ed25519 in PKCS#8 (`BEGIN PRIVATE KEY`)")]
    DtlsKey,
}

/// The certificate of the moment. New handshakes see it; connections that stand are left alone.
pub(crate) struct CertificateStore {
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// The same for DTLS, if that is served.
    dtls: Option<RwLock<Arc<HandshakeConfig>>>,
}

impl CertificateStore {
    pub(crate) fn new(certificate: &Certificate, dtls: bool) -> Result<Self, CertificateError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let current = RwLock::new(certified(&provider, certificate)?);
        let dtls = dtls.then(|| handshakes(certificate)).transpose()?.map(RwLock::new);
        Ok(Self { provider, current, dtls })
    }

    /// How handshakes over DTLS are done now; `None` where it is not served.
    pub(crate) fn dtls(&self) -> Option<Arc<HandshakeConfig>> {
        let current = self.dtls.as_ref()?.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }

    pub(crate) fn set(&self, certificate: &Certificate) -> Result<(), CertificateError> {
        let fresh = certified(&self.provider, certificate)?;
        if let Some(dtls) = &self.dtls {
            let fresh = handshakes(certificate)?;
            *dtls.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// How handshakes are done. ALPN is answered when it is asked for, and not asked for.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<ServerConfig, CertificateError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Mismatch)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }
}

fn certified(
    provider: &CryptoProvider,
    certificate: &Certificate,
) -> Result<Arc<CertifiedKey>, CertificateError> {
    let Certificate { chain, key } = certificate.clone();
    let certified =
        CertifiedKey::from_der(chain, key, provider).map_err(CertificateError::Mismatch)?;
    Ok(Arc::new(certified))
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for CertificateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateStore").finish_non_exhaustive()
    }
}
