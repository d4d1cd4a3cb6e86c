//! Who the doctor says it is: a user with a password, or one it makes from the relay's secret.

use std::path::PathBuf;
use std::time::Duration;

use confer_turn_core::credentials::ephemeral_password;

/// How long a credential made here is good.
const MINTED: Duration = Duration::from_secs(3600);
/// The same where it is asked whether the relay's clock is ahead.
const MINTED_LONG: Duration = Duration::from_secs(366 * 86_400);
/// The identity of credentials made here when none is given.
const IDENTITY: &str = "doctor";

/// Why there is no usable login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error("cannot read {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    #[error(
        "--user needs a password: --password-file FILE, the variable CONFER_TURN_PASSWORD, or the \
         relay's secret with --secret-file FILE"
    )]
    NoPassword,
    #[error("a password needs --user NAME")]
    NoUser,
}

/// What the relay is told.
#[derive(Clone)]
pub(crate) enum Login {
    /// Nothing: what needs no proof is looked at.
    Nobody,
    Password {
        user: String,
        password: String,
    },
    /// Ephemeral credentials (`expiry:identity`), made when they are needed.
    Secret {
        user: String,
        secret: String,
    },
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(…)")
    }
}

/// A user name and its password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl Login {
    /// What the command line and the environment say.
    pub(crate) fn read(
        user: Option<&str>,
        password_file: Option<&PathBuf>,
        secret_file: Option<&PathBuf>,
        variable: Option<&str>,
    ) -> Result<Self, LoginError> {
        if let Some(path) = secret_file {
            let user = user.unwrap_or(IDENTITY).to_owned();
            return Ok(Self::Secret { user, secret: first_line(path)? });
        }
        let password = match password_file {
            Some(path) => Some(first_line(path)?),
            None => variable.filter(|text| !text.is_empty()).map(str::to_owned),
        };
        match (user, password) {
            (Some(user), Some(password)) => Ok(Self::Password { user: user.to_owned(), password }),
            (Some(_), None) => Err(LoginError::NoPassword),
            (None, Some(_)) if password_file.is_some() => Err(LoginError::NoUser),
            // The variable may be there for another time.
            (None, _) => Ok(Self::Nobody),
        }
    }

    /// What is shown to the relay at this time (seconds since 1970).
    pub(crate) fn proof(&self, now: u64) -> Option<Proof> {
        self.proof_until(now.saturating_add(MINTED.as_secs()))
    }

    /// The same with an expiry so late that a relay whose clock is ahead takes it; only for
    /// credentials that are made here.
    pub(crate) fn late_proof(&self, now: u64) -> Option<Proof> {
        match self {
            Self::Nobody | Self::Password { .. } => None,
            Self::Secret { .. } => self.proof_until(now.saturating_add(MINTED_LONG.as_secs())),
        }
    }

    fn proof_until(&self, until: u64) -> Option<Proof> {
        match self {
            Self::Nobody => None,
            Self::Password { user, password } => {
                Some(Proof { user: user.clone(), password: password.clone() })
            }
            Self::Secret { user, secret } => {
                let user = format!("{until}:{user}");
                Some(Proof { password: ephemeral_password(secret, &user), user })
            }
        }
    }

    /// When the user name says that it expires (seconds since 1970), if it says so.
    pub(crate) fn expires_at(&self) -> Option<u64> {
        match self {
            Self::Nobody | Self::Secret { .. } => None,
            Self::Password { user, .. } => user.split_once(':')?.0.parse().ok(),
        }
    }
}

fn first_line(path: &PathBuf) -> Result<String, LoginError> {
    let text = std::fs::read_to_string(path)
        .map_err(|cause| LoginError::Unreadable { path: path.clone(), cause })?;
    match text.trim() {
        "" => Err(LoginError::Empty { path: path.clone() }),
        text => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_needs_a_password_and_a_secret_makes_both() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "  word\n").expect("kept");

        let login = Login::read(Some("alice"), Some(&file), None, None).expect("both are there");
        let proof = login.proof(0).expect("a password");
        assert_eq!((proof.user.as_str(), proof.password.as_str()), ("alice", "word"));
        assert_eq!(login.expires_at(), None);
        assert!(!format!("{login:?}").contains("word"));

        let login = Login::read(Some("77:alice"), None, None, Some("x")).expect("both are there");
        assert_eq!(login.expires_at(), Some(77));
        assert!(login.late_proof(0).is_none());

        let login = Login::read(None, None, Some(&file), None).expect("a secret is enough");
        let proof = login.proof(1000).expect("it is made");
        assert_eq!(proof.user, "4600:doctor");
        assert_eq!(proof.password, ephemeral_password("word", "4600:doctor"));
        assert!(login.late_proof(1000).expect("it is made") != proof);

        let missing = Login::read(Some("alice"), None, None, None);
        assert!(matches!(missing, Err(LoginError::NoPassword)));
        let nobody = Login::read(None, None, None, Some("for another time"));
        assert!(matches!(nobody, Ok(Login::Nobody)));
        let missing = Login::read(None, Some(&file), None, None);
        assert!(matches!(missing, Err(LoginError::NoUser)));
        std::fs::write(&file, "\n").expect("kept");
        let empty = Login::read(None, None, Some(&file), None);
        assert!(matches!(empty, Err(LoginError::Empty { .. })));
    }
}
