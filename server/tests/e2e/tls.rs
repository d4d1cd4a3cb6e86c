//! A connection as of a browser that was told to trust the server's own certificate.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::process::{Confer, Setup};

/// Connects to a server with `--tls=self-signed`, trusting its certificate and no other.
pub(crate) async fn connect(setup: &Setup, confer: &Confer) -> TlsStream<TcpStream> {
    let path = setup.data_dir().join("tls/self-signed.crt");
    let certificate = CertificateDer::from_pem_file(path).expect("it was made");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("it can be trusted");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS")
        .with_root_certificates(roots)
        .with_no_client_auth();

    let tcp = TcpStream::connect(("127.0.0.1", confer.port())).await.expect("it listens");
    let name = "localhost".try_into().expect("a host name");
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await;
    stream.expect("the certificate names localhost")
}
