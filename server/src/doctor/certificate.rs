//! The certificate a server shows: who it is for, who vouches for it, and what is wrong with it.
//!
//! A certificate that proves nothing ends the connection, as it does in a browser. A second
//! connection may be opened by a lenient [`Judge`] to see what stands behind it; nothing secret
//! goes over that one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::trouble::Trouble;

/// Where systems keep what they trust: Debian and Alpine, Red Hat, its newer releases, SUSE, BSD.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Names that are shown of a certificate that has more.
const NAMES_SHOWN: usize = 4;

/// Why there is nothing to judge certificates by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RootsError {
    #[error("cannot read certificates in {}; it must be PEM", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: pem::Error,
    },
    #[error("there is no usable certificate in {}", path.display())]
    Empty { path: PathBuf },
}

/// What this machine trusts, and what the operator trusts beyond it. `named` is the file of the
/// variable `SSL_CERT_FILE`, which other programs go by as well.
pub(crate) fn roots(
    named: Option<&Path>,
    extra: Option<&Path>,
) -> Result<RootCertStore, RootsError> {
    let mut roots = RootCertStore::empty();
    let system = match named {
        Some(path) => Some(path),
        None => BUNDLES.iter().map(Path::new).find(|path| path.exists()),
    };
    if let Some(certificates) = system.and_then(|path| CertificateDer::pem_file_iter(path).ok()) {
        // What of the system's store cannot be read vouches for nobody.
        roots.add_parsable_certificates(certificates.flatten());
    }
    if let Some(path) = extra {
        let unreadable = |cause| RootsError::Unreadable { path: path.to_owned(), cause };
        let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
        let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(RootsError::Empty { path: path.to_owned() });
        }
    }
    Ok(roots)
}

/// What a certificate says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) issuer: String,
    pub(crate) names: Vec<String>,
    /// Seconds since 1970.
    pub(crate) from: i64,
    pub(crate) until: i64,
    /// It vouches for itself.
    pub(crate) self_signed: bool,
    /// Certificates that came with it, to lead to a known one.
    pub(crate) others: usize,
}

impl Shown {
    fn read(end: &[u8], others: usize) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(end) else {
            return Self { issuer: "nobody who can be read".to_owned(), others, ..Self::default() };
        };
        let mut names = Vec::new();
        if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
            for name in &alternatives.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push((*name).to_owned()),
                    GeneralName::IPAddress(octets) => names.extend(address(octets)),
                    _ => {}
                }
            }
        }
        // What people would type comes first.
        names.sort_by_key(|name: &String| name.parse::<std::net::IpAddr>().is_ok());
        if names.is_empty() {
            names.extend(common_name(certificate.subject()));
        }
        Self {
            issuer: who(certificate.issuer()),
            names,
            from: certificate.validity().not_before.timestamp(),
            until: certificate.validity().not_after.timestamp(),
            self_signed: certificate.issuer() == certificate.subject(),
            others,
        }
    }

    /// The names it is for, in a few words.
    pub(crate) fn names(&self) -> String {
        match self.names.as_slice() {
            [] => "nobody".to_owned(),
            names if names.len() <= NAMES_SHOWN => names.join(", "),
            names => {
                let more = names.len() - NAMES_SHOWN;
                format!("{} and {more} more", names[..NAMES_SHOWN].join(", "))
            }
        }
    }
}

fn address(octets: &[u8]) -> Option<String> {
    let v4 = || Some(std::net::IpAddr::from(<[u8; 4]>::try_from(octets).ok()?));
    let v6 = || Some(std::net::IpAddr::from(<[u8; 16]>::try_from(octets).ok()?));
    v4().or_else(v6).map(|address| address.to_string())
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().next()?.as_str().ok().map(str::to_owned)
}

/// A certificate authority by organisation and name, as far as they are told.
fn who(name: &X509Name<'_>) -> String {
    let organisation = name.iter_organization().next().and_then(|value| value.as_str().ok());
    match (organisation, common_name(name)) {
        (Some(organisation), Some(common)) => format!("{organisation} {common}"),
        (Some(organisation), None) => organisation.to_owned(),
        (None, Some(common)) => common,
        (None, None) => name.to_string(),
    }
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Expired,
    NotYet,
    OtherName,
    UnknownIssuer,
    /// This machine knows no certificate authority at all.
    NothingTrusted,
    /// What rustls says.
    Other(String),
}

impl Fault {
    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(problem) => match problem {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Self::Expired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::NotYet
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::OtherName,
                // An authority of the same name is known, with another key.
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    Self::UnknownIssuer
                }
                other => Self::Other(other.to_string()),
            },
            other => Self::Other(other.to_string()),
        }
    }
}

/// Judges the certificate of one connection, and remembers it.
#[derive(Debug)]
pub(crate) struct Judge {
    /// `None` when this machine trusts nobody at all.
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    lenient: bool,
    /// Of the handshake; rustls lets verifiers be shared.
    seen: Mutex<Option<(Shown, Option<Fault>)>>,
}

impl Judge {
    /// One that takes only what is proved, or, for a look at what stands behind, everything.
    pub(crate) fn new(roots: &Arc<RootCertStore>, lenient: bool) -> Arc<Self> {
        let provider = provider();
        let inner =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(&provider));
        // It is refused when there are no roots, and for no other reason.
        let inner = inner.build().ok();
        Arc::new(Self { inner, provider, lenient, seen: Mutex::default() })
    }

    /// What was shown, and what is wrong with it.
    pub(crate) fn seen(&self) -> Option<(Shown, Option<Fault>)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is wrong with what was shown, if anything is.
    pub(crate) fn complaint(&self) -> Option<Trouble> {
        let (shown, fault) = self.seen()?;
        Some(Trouble::Certificate { fault: fault?, shown: Box::new(shown) })
    }

    /// Judges a chain that came otherwise than by rustls.
    pub(crate) fn judge(&self, chain: &[Vec<u8>], name: &ServerName<'_>) -> Result<(), Error> {
        let chain: Vec<CertificateDer<'_>> =
            chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let Some((end, others)) = chain.split_first() else {
            return Err(Error::NoCertificatesPresented);
        };
        let seconds = std::time::Duration::from_secs(crate::clock::unix_seconds());
        let now = UnixTime::since_unix_epoch(seconds);
        self.verify_server_cert(end, others, name, &[], now).map(|_| ())
    }
}

/// What TLS is spoken with.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = match &self.inner {
            Some(inner) => inner.verify_server_cert(end, others, name, ocsp, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let fault = match (&self.inner, &verdict) {
            (None, _) => Some(Fault::NothingTrusted),
            (Some(_), Ok(_)) => None,
            (Some(_), Err(error)) => Some(Fault::of(error)),
        };
        let shown = Shown::read(end, others.len());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((shown, fault));
        if self.lenient { Ok(ServerCertVerified::assertion()) } else { verdict }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_read_with_its_names_and_judged_by_what_is_trusted() {
        let names = vec!["turn.example.org".to_owned(), "192.0.2.7".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("valid names");
        let chain = [made.cert.der().to_vec()];
        let name = ServerName::try_from("turn.example.org").expect("a name");
        let other = ServerName::try_from("other.example.org").expect("a name");

        let mut roots = RootCertStore::empty();
        let judge = Judge::new(&Arc::new(roots.clone()), false);
        judge.judge(&chain, &name).expect_err("nothing is trusted");
        assert_eq!(judge.seen().expect("it was shown").1, Some(Fault::NothingTrusted));
        let stranger = rcgen::generate_simple_self_signed(vec!["else".to_owned()]);
        roots.add(stranger.expect("a valid name").cert.der().clone()).expect("a certificate");
        let judge = Judge::new(&Arc::new(roots.clone()), false);
        judge.judge(&chain, &name).expect_err("nobody vouches for it");
        let (shown, fault) = judge.seen().expect("it was shown");
        assert_eq!(fault, Some(Fault::UnknownIssuer));
        assert_eq!(shown.names(), "turn.example.org, 192.0.2.7");
        assert!(shown.self_signed && shown.from < shown.until);

        let lenient = Judge::new(&Arc::new(roots.clone()), true);
        lenient.judge(&chain, &name).expect("it only looks");
        assert_eq!(lenient.seen().expect("it was shown").1, Some(Fault::UnknownIssuer));

        roots.add(made.cert.der().clone()).expect("a certificate");
        let judge = Judge::new(&Arc::new(roots), false);
        judge.judge(&chain, &name).expect("it is trusted");
        assert_eq!(judge.seen().expect("it was shown").1, None);
        judge.judge(&chain, &other).expect_err("another name");
        assert_eq!(judge.seen().expect("it was shown").1, Some(Fault::OtherName));
    }
}
