use std::path::PathBuf;

use super::choice::choices;
use super::error::ConfigError;
use super::section::section;

choices! {
    /// Where the server's certificate comes from.
    pub(crate) enum TlsMode {
        Off = "off",
        SelfSigned = "self-signed",
        Files = "files",
    }
}

section! {
    /// `[tls]`: encryption between browsers and this server.
    ///
    /// Browsers give camera and microphone only to pages over HTTPS, except from the same machine.
    pub(crate) struct TlsSection in "tls" {
        /// Where the certificate comes from.
        ///
        /// `off` when a proxy in front does TLS, or for trying things on one machine. `self-signed`
        /// makes one that browsers warn about once. `files` takes yours.
        mode: TlsMode = TlsMode::Off,

        /// The certificate chain in PEM, for `files`.
        ///
        /// It is read at start; restart after renewing it.
        certificate_file: Option<PathBuf> = None,

        /// The private key in PEM, for `files`.
        key_file: Option<PathBuf> = None,

        /// Further host names and addresses for the self-signed certificate.
        ///
        /// `localhost`, this host's name and addresses and the host of `public-url` are in it
        /// anyway.
        names: Vec<String> = Vec::new(),
    }
}

/// Where the certificate comes from, with all that this way needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsConfig {
    Off,
    SelfSigned { names: Vec<String> },
    Files { certificate: PathBuf, key: PathBuf },
}

impl TlsSection {
    pub(super) fn resolve(self) -> Result<TlsConfig, ConfigError> {
        let files = self.certificate_file.is_some() || self.key_file.is_some();
        match self.mode {
            TlsMode::Off | TlsMode::SelfSigned if files => Err(ConfigError::Unusable {
                key: "tls.mode",
                problem: "certificate files are configured, so this must be \"files\"".to_owned(),
            }),
            TlsMode::Off => Ok(TlsConfig::Off),
            TlsMode::SelfSigned => Ok(TlsConfig::SelfSigned { names: self.names }),
            TlsMode::Files => Ok(TlsConfig::Files {
                certificate: self.certificate_file.ok_or(ConfigError::Missing {
                    key: "tls.certificate-file",
                    why: "tls.mode is \"files\"",
                })?,
                key: self.key_file.ok_or(ConfigError::Missing {
                    key: "tls.key-file",
                    why: "tls.mode is \"files\"",
                })?,
            }),
        }
    }
}
