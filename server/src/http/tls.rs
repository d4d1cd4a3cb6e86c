//! The server's certificate: none, one of its own, or the operator's.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use confer_turn_net::Certificate;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::{TlsConfig, host_of};
use crate::data_dir::write_private;
use crate::interfaces;

const CERTIFICATE_FILE: &str = "self-signed.crt";
const KEY_FILE: &str = "self-signed.key";
const NAMES_FILE: &str = "self-signed.names";

/// The name of TURN in TLS handshakes (RFC 7443).
pub(crate) const ALPN_TURN: &[u8] = b"stun.turn";

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot read {what} {}; it must be PEM and readable for this user", path.display())]
    Unreadable {
        what: &'static str,
        path: PathBuf,
        #[source]
        cause: pem::Error,
    },

    #[error("there is no certificate in {}; it must be PEM, the server's own first", path.display())]
    Empty { path: PathBuf },

    #[error(
        "the private key does not fit the certificate; see tls.certificate-file and tls.key-file"
    )]
    Mismatch {
        #[source]
        cause: rustls::Error,
    },

    #[error("could not make a self-signed certificate; check tls.names")]
    Generate {
        #[source]
        cause: rcgen::Error,
    },

    #[error("cannot keep the self-signed certificate in {}", path.display())]
    Keep {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// The certificate of the moment. New handshakes see it; connections that stand are left alone.
#[derive(Debug)]
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Tls {
    /// Serves a certificate.
    pub(crate) fn new(certificate: &Certificate) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let current = RwLock::new(certified(&provider, certificate)?);
        Ok(Arc::new(Self { provider, current }))
    }

    /// Serves another one from now on.
    pub(crate) fn set(&self, certificate: &Certificate) -> Result<(), TlsError> {
        let fresh = certified(&self.provider, certificate)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// When it ends, in seconds since 1970.
    pub(crate) fn expires_at(&self) -> Option<i64> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let (_, certificate) = X509Certificate::from_der(current.end_entity_cert().ok()?).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }

    /// What connections are accepted with. The first protocol that both sides know is spoken;
    /// browsers name none when they reach for a relay.
    pub(crate) fn acceptor(self: &Arc<Self>, turn: bool) -> Result<TlsAcceptor, TlsError> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|cause| TlsError::Mismatch { cause })?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        if turn {
            server.alpn_protocols.push(ALPN_TURN.to_vec());
        }
        Ok(TlsAcceptor::from(Arc::new(server)))
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn certified(
    provider: &CryptoProvider,
    certificate: &Certificate,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let Certificate { chain, key } = certificate.clone();
    let certified = CertifiedKey::from_der(chain, key, provider);
    Ok(Arc::new(certified.map_err(|cause| TlsError::Mismatch { cause })?))
}

/// Reads the certificate, making one if that is wanted; `None` without TLS.
pub(crate) fn certificate(
    config: &TlsConfig,
    public_url: Option<&str>,
    data_dir: &Path,
) -> Result<Option<Certificate>, TlsError> {
    let (chain, key) = match config {
        TlsConfig::Off => return Ok(None),
        TlsConfig::Files { certificate, key } => (certificate.clone(), key.clone()),
        TlsConfig::SelfSigned { names } => self_signed(names, public_url, &data_dir.join("tls"))?,
    };
    let chain = read_chain(&chain)?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(|cause| TlsError::Unreadable {
        what: "the private key",
        path: key,
        cause,
    })?;

    Ok(Some(Certificate { chain, key }))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable =
        |cause| TlsError::Unreadable { what: "the certificate", path: path.to_owned(), cause };
    let chain = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    if chain.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(chain) }
}

/// The certificate of an earlier start if its names still fit, so that a browser's exception stays
/// good; else a new one.
fn self_signed(
    configured: &[String],
    public_url: Option<&str>,
    dir: &Path,
) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
    let names = names(configured, public_url);
    let listed = names.join("\n");
    let kept = fs::read_to_string(dir.join(NAMES_FILE)).unwrap_or_default();
    if kept == listed && certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }

    let made =
        rcgen::generate_simple_self_signed(names).map_err(|cause| TlsError::Generate { cause })?;
    let keep = |path: &Path, text: &str| {
        write_private(path, text.as_bytes())
            .map_err(|cause| TlsError::Keep { path: path.to_owned(), cause })
    };
    fs::create_dir_all(dir).map_err(|cause| TlsError::Keep { path: dir.to_owned(), cause })?;
    keep(&key, &made.signing_key.serialize_pem())?;
    keep(&certificate, &made.cert.pem())?;
    keep(&dir.join(NAMES_FILE), &listed)?;
    Ok((certificate, key))
}

/// Every name somebody may type to get here, sorted.
fn names(configured: &[String], public_url: Option<&str>) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(interfaces::host_name());
    names.extend(interfaces::addresses().iter().map(ToString::to_string));
    names.extend(public_url.and_then(host_of));
    names.extend(configured.iter().cloned());
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_self_signed_certificate_is_kept_until_its_names_change() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = |name: &str| TlsConfig::SelfSigned { names: vec![name.to_owned()] };
        let kept = || fs::read(dir.path().join("tls").join(CERTIFICATE_FILE)).expect("kept");

        certificate(&config("a.example"), None, dir.path()).expect("TLS works");
        let first = kept();
        certificate(&config("a.example"), None, dir.path()).expect("TLS works");
        assert_eq!(kept(), first);
        certificate(&config("b.example"), None, dir.path()).expect("TLS works");
        assert_ne!(kept(), first);
    }

    #[test]
    fn a_missing_or_foreign_key_file_is_named() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let chain = dir.path().join("c.pem");
        fs::write(&chain, "nothing\n").expect("a written file");
        let config = TlsConfig::Files { certificate: chain, key: dir.path().join("k.pem") };
        let error = certificate(&config, None, dir.path()).expect_err("no certificate in it");
        assert!(error.to_string().contains("c.pem"), "{error}");
    }

    #[test]
    fn the_end_of_the_certificate_of_the_moment_is_known() {
        let until = |year| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut wanted =
                rcgen::CertificateParams::new(["a.example".to_owned()]).expect("a name");
            wanted.not_after = rcgen::date_time_ymd(year, 1, 1);
            let made = wanted.self_signed(&key).expect("a certificate");
            let key = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS #8");
            Certificate { chain: vec![made.der().clone()], key }
        };
        let tls = Tls::new(&until(2030)).expect("it fits");
        assert_eq!(tls.expires_at(), Some(1_893_456_000));
        tls.set(&until(2031)).expect("it fits");
        assert_eq!(tls.expires_at(), Some(1_924_992_000));
    }
}
