//! The certificate a server shows: who it is for, who vouches for it, and what is wrong with it.
//!
//! A certificate that proves nothing ends the connection, as it does in a browser. A second
//! connection may be opened by a lenient [`Judge`] to see what stands behind it; nothing secret
//! goes over that one.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use super::trouble::Trouble;
use super::trust::Trust;

/// Names that are shown of a certificate that has more.
const NAMES_SHOWN: usize = 4;

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

    /// Whether a certificate that is trusted for itself is for this server, and for today.
    fn holds(
        &self,
        end: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < self.from {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now > self.until {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        verify_server_name(&ParsedCertificate::try_from(end)?, name)?;
        Ok(ServerCertVerified::assertion())
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
    fn of(error: &Error, shown: &Shown) -> Self {
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
                // Such as that of an authority, which servers are not to show.
                CertificateError::Other(_) if shown.self_signed => Self::UnknownIssuer,
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
    trust: Arc<Trust>,
    lenient: bool,
    /// Of the handshake; rustls lets verifiers be shared.
    seen: Mutex<Option<(Shown, Option<Fault>)>>,
}

impl Judge {
    /// One that takes only what is proved, or, for a look at what stands behind, everything.
    pub(crate) fn new(trust: &Arc<Trust>, lenient: bool) -> Arc<Self> {
        let (provider, trust) = (provider(), Arc::clone(trust));
        let roots = Arc::clone(&trust.roots);
        let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        // It is refused when there are no roots, and for no other reason.
        let inner = inner.build().ok();
        Arc::new(Self { inner, provider, trust, lenient, seen: Mutex::default() })
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
        let shown = Shown::read(end, others.len());
        let verdict = match &self.inner {
            Some(inner) if self.trust.named.contains(end) => {
                // The server's own certificate was named, whether or not it may vouch for others.
                let judged = inner.verify_server_cert(end, others, name, ocsp, now);
                judged.or_else(|_| shown.holds(end, name, now))
            }
            Some(inner) => inner.verify_server_cert(end, others, name, ocsp, now),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        let fault = match (&self.inner, &verdict) {
            (None, _) => Some(Fault::NothingTrusted),
            (Some(_), Ok(_)) => None,
            (Some(_), Err(error)) => Some(Fault::of(error, &shown)),
        };
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
    use rustls::RootCertStore;

    use super::*;

    #[test]
    fn a_certificate_is_read_with_its_names_and_judged_by_what_is_trusted() {
        let names = vec!["turn.example.org".to_owned(), "192.0.2.7".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("valid names");
        let chain = [made.cert.der().to_vec()];
        let name = ServerName::try_from("turn.example.org").expect("a name");
        let other = ServerName::try_from("other.example.org").expect("a name");

        let trust = |certificates: &[CertificateDer<'static>], named: bool| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates.to_vec());
            let named = if named { certificates.to_vec() } else { Vec::new() };
            Arc::new(Trust { roots: Arc::new(roots), named })
        };
        let judge = Judge::new(&trust(&[], false), false);
        judge.judge(&chain, &name).expect_err("nothing is trusted");
        assert_eq!(judge.seen().expect("it was shown").1, Some(Fault::NothingTrusted));

        let stranger = rcgen::generate_simple_self_signed(vec!["else".to_owned()]);
        let stranger = stranger.expect("a valid name").cert.der().clone();
        let judge = Judge::new(&trust(std::slice::from_ref(&stranger), false), false);
        judge.judge(&chain, &name).expect_err("nobody vouches for it");
        let (shown, fault) = judge.seen().expect("it was shown");
        assert_eq!(fault, Some(Fault::UnknownIssuer));
        assert_eq!(shown.names(), "turn.example.org, 192.0.2.7");
        assert!(shown.self_signed && shown.from < shown.until);

        let lenient = Judge::new(&trust(&[stranger], false), true);
        lenient.judge(&chain, &name).expect("it only looks");
        assert_eq!(lenient.seen().expect("it was shown").1, Some(Fault::UnknownIssuer));

        let judge = Judge::new(&trust(&[made.cert.der().clone()], false), false);
        judge.judge(&chain, &name).expect("it is trusted");
        assert_eq!(judge.seen().expect("it was shown").1, None);
        judge.judge(&chain, &other).expect_err("another name");
        assert_eq!(judge.seen().expect("it was shown").1, Some(Fault::OtherName));

        // `openssl req -x509` makes servers certificates of authorities.
        let mut authority = rcgen::CertificateParams::new(vec!["turn.example.org".to_owned()]);
        let params = authority.as_mut().expect("a valid name");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("randomness");
        let authority = authority.expect("as above").self_signed(&key).expect("a key of its own");
        let chain = [authority.der().to_vec()];
        let judge = Judge::new(&trust(&[made.cert.der().clone()], false), false);
        judge.judge(&chain, &name).expect_err("nobody vouches for it");
        assert_eq!(judge.seen().expect("it was shown").1, Some(Fault::UnknownIssuer));
        let judge = Judge::new(&trust(&[authority.der().clone()], true), false);
        judge.judge(&chain, &name).expect("it was named");
        judge.judge(&chain, &other).expect_err("another name");
        assert_eq!(judge.seen().expect("it was shown").1, Some(Fault::OtherName));
        let (shown, _) = judge.seen().expect("it was shown");
        let late = UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::MAX / 4));
        let late = shown.holds(authority.der(), &name, late);
        assert_eq!(late.err().map(|error| Fault::of(&error, &shown)), Some(Fault::Expired));
    }
}
