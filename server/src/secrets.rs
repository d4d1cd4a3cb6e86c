//! Keys this server makes for itself on its first start and keeps in the data directory.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confer_auth::{KeyError, Secret};

const DIRECTORY: &str = "secrets";
/// As long as the hash it goes into.
const SECRET_BYTES: usize = 32;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("cannot read or write {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },

    #[error(
        "{} is damaged; restore it from a backup, or delete it for a new one, which ends every \
         session that depends on it", path.display()
    )]
    Damaged {
        path: PathBuf,
        #[source]
        cause: Option<KeyError>,
    },
}

/// The keys.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// Signs this server's own access tokens.
    pub(crate) tokens: Secret,
    /// Refresh tokens and their successors are derived with it.
    pub(crate) refresh: Secret,
    /// The relay's credentials are derived with it, unless the operator has one.
    pub(crate) turn: Secret,
    /// Opens the operator's routes.
    pub(crate) admin: Secret,
    /// The files that this start made.
    pub(crate) made: Vec<PathBuf>,
}

impl Secrets {
    /// Reads the keys, making those that are missing.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, SecretError> {
        let dir = data_dir.join(DIRECTORY);
        match DirBuilder::new().mode(0o700).create(&dir) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
                return Err(SecretError::Io { path: dir, cause });
            }
            _ => {}
        }
        let mut made = Vec::new();
        let mut key = |name: &str| read_or_make(dir.join(name), &mut made);
        let (tokens, refresh) = (key("token-key")?, key("refresh-key")?);
        let (turn, admin) = (key("turn-key")?, key("admin-token")?);
        Ok(Self { tokens, refresh, turn, admin, made })
    }
}

/// The file of the API key, which apps' back ends use.
pub(crate) fn api_key_file(data_dir: &Path) -> PathBuf {
    data_dir.join(DIRECTORY).join("api-key.toml")
}

/// A key as its file holds it.
pub(crate) fn text(secret: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(secret.expose())
}

fn read_or_make(path: PathBuf, made: &mut Vec<PathBuf>) -> Result<Secret, SecretError> {
    match fs::read_to_string(&path) {
        Ok(text) => {
            let bytes = URL_SAFE_NO_PAD.decode(text.trim()).ok();
            match bytes.map(Secret::new) {
                Some(Ok(secret)) => Ok(secret),
                Some(Err(cause)) => Err(SecretError::Damaged { path, cause: Some(cause) }),
                None => Err(SecretError::Damaged { path, cause: None }),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = random();
            let text = URL_SAFE_NO_PAD.encode(secret.expose()) + "\n";
            match crate::data_dir::write_private(&path, text.as_bytes()) {
                Ok(()) => made.push(path),
                Err(cause) => return Err(SecretError::Io { path, cause }),
            }
            Ok(secret)
        }
        Err(cause) => Err(SecretError::Io { path, cause }),
    }
}

/// A fresh key.
pub(crate) fn random() -> Secret {
    let bytes: [u8; SECRET_BYTES] = rand::random();
    Secret::new(bytes).expect("the length is the one it asks for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once_and_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = Secrets::open(dir.path()).expect("fresh keys");
        assert_eq!(first.made.len(), 4);
        assert_ne!(first.tokens, first.refresh);

        let second = Secrets::open(dir.path()).expect("the same keys");
        assert!(second.made.is_empty());
        assert_eq!(second.tokens, first.tokens);
    }

    #[test]
    fn a_damaged_key_is_named_and_not_replaced() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Secrets::open(dir.path()).expect("fresh keys");
        let path = dir.path().join(DIRECTORY).join("token-key");
        fs::write(&path, "short").expect("a written file");
        let error = Secrets::open(dir.path()).expect_err("damaged");
        assert!(error.to_string().contains("token-key"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "short");
    }
}
