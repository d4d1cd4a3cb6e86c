//! Whom this machine trusts to vouch for certificates, and what the operator trusts beyond it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// Where systems keep what they trust: Debian and Alpine, Red Hat, its newer releases, SUSE, BSD.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why there is nothing to judge certificates by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("cannot read certificates in {}; it must be PEM", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: pem::Error,
    },
    #[error("there is no usable certificate in {}", path.display())]
    Empty { path: PathBuf },
}

/// What certificates are judged by.
#[derive(Debug)]
pub(crate) struct Trust {
    /// Authorities.
    pub(crate) roots: Arc<RootCertStore>,
    /// What the operator named: authorities, or certificates of servers themselves.
    pub(crate) named: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Reads the system's store and a file of the operator's. `store` is the file of the variable
    /// `SSL_CERT_FILE`, which other programs go by as well.
    pub(crate) fn read(store: Option<&Path>, extra: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        let store = store.or_else(|| BUNDLES.iter().map(Path::new).find(|path| path.exists()));
        if let Some(store) = store.and_then(|path| CertificateDer::pem_file_iter(path).ok()) {
            // What of it cannot be read vouches for nobody.
            roots.add_parsable_certificates(store.flatten());
        }
        let mut named = Vec::new();
        if let Some(path) = extra {
            let unreadable = |cause| TrustError::Unreadable { path: path.to_owned(), cause };
            let certificates = CertificateDer::pem_file_iter(path).map_err(unreadable)?;
            named = certificates.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
            if roots.add_parsable_certificates(named.clone()).0 == 0 {
                return Err(TrustError::Empty { path: path.to_owned() });
            }
        }
        Ok(Self { roots: Arc::new(roots), named })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_trusted_beside_the_store() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (store, extra) = (dir.path().join("store"), dir.path().join("extra"));
        for path in [&store, &extra] {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
            std::fs::write(path, made.expect("a valid name").cert.pem()).expect("kept");
        }
        let trust = Trust::read(Some(&store), Some(&extra)).expect("both are good");
        assert_eq!((trust.roots.len(), trust.named.len()), (2, 1));
        let nowhere = dir.path().join("nowhere");
        let trust = Trust::read(Some(&nowhere), None).expect("it trusts nobody");
        assert!(trust.roots.is_empty());
        let missing = Trust::read(Some(&store), Some(&nowhere));
        assert!(matches!(missing, Err(TrustError::Unreadable { .. })));
        std::fs::write(&extra, "nothing").expect("kept");
        let empty = Trust::read(Some(&store), Some(&extra));
        assert!(matches!(empty, Err(TrustError::Empty { .. })));
    }
}
