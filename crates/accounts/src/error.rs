//! One error per operation, each with the code clients see.

use std::time::Duration;

use confer_auth::TokenError;
use confer_protocol::error::{ErrorBody, ErrorCode};

use crate::hasher::HashError;
use crate::validate::Invalid;

/// What a client is told to wait when a part of the server is overloaded or away.
const RETRY_AFTER_MS: u32 = 1000;

/// The database did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
#[error("the accounts' database failed")]
pub struct StoreError(#[from] sqlx::Error);

impl StoreError {
    /// The code clients see.
    pub fn code(&self) -> ErrorCode {
        match &self.0 {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => ErrorCode::Unavailable,
            // Class 53: out of resources. Class 57: shutting down or starting.
            sqlx::Error::Database(error)
                if error.code().is_some_and(|c| c.starts_with("53") || c.starts_with("57")) =>
            {
                ErrorCode::Unavailable
            }
            // The library's list is open; the rest are bugs of ours.
            _ => ErrorCode::Internal,
        }
    }
}

impl From<StoreError> for ErrorBody {
    fn from(error: StoreError) -> Self {
        match error.code() {
            ErrorCode::Unavailable => {
                tracing::warn!(cause = %error.0, "{error}");
                unavailable("The database cannot be reached now; try again.")
            }
            code => {
                tracing::error!(cause = %error.0, "{error}");
                Self::new(code, "Something went wrong in the server.")
            }
        }
    }
}

fn unavailable(message: &str) -> ErrorBody {
    let error = ErrorBody::new(ErrorCode::Unavailable, message);
    ErrorBody { retry_after_ms: Some(RETRY_AFTER_MS), ..error }
}

impl From<HashError> for ErrorBody {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => unavailable("Too many people are signing in; try again."),
            HashError::Failed => {
                tracing::error!("{error}");
                Self::new(ErrorCode::Internal, "Something went wrong in the server.")
            }
        }
    }
}

/// Somebody came too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts")]
pub struct RateLimited {
    pub retry_after: Duration,
}

impl From<RateLimited> for ErrorBody {
    fn from(error: RateLimited) -> Self {
        // Rounded up, so that a client that waits this long does get through.
        let wait = error.retry_after.as_micros().div_ceil(1000);
        let seconds = wait.div_ceil(1000);
        let message = format!("Too many attempts; wait {seconds} s.");
        let body = Self::new(ErrorCode::RateLimited, message);
        Self { retry_after_ms: Some(u32::try_from(wait).unwrap_or(u32::MAX)), ..body }
    }
}

/// Why somebody could not register.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Said only here, where it cannot be hidden: whoever owns the address has to know.
    #[error("this email address has an account")]
    EmailTaken,
    #[error("the password was not hashed")]
    Hash(#[source] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RegisterError> for ErrorBody {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Invalid(invalid) => invalid.into(),
            RegisterError::EmailTaken => {
                Self::new(ErrorCode::Conflict, "This email address has an account; log in.")
                    .with_field("email", "has an account")
            }
            RegisterError::Hash(error) => error.into(),
            RegisterError::Store(error) => error.into(),
        }
    }
}

/// Why somebody could not log in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Which of the two is wrong is nobody's business.
    #[error("the email address or the password is wrong")]
    WrongCredentials,
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    #[error("the password was not checked")]
    Hash(#[source] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LoginError> for ErrorBody {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::WrongCredentials => {
                Self::new(ErrorCode::Unauthenticated, "The email address or the password is wrong.")
            }
            LoginError::RateLimited(error) => error.into(),
            LoginError::Hash(error) => error.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

/// Why a login could not be continued.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// There was none, or this server did not make it.
    #[error("there is no refresh token")]
    Unknown,
    /// The login was not used for too long, or a guest's time is up.
    #[error("the login has expired")]
    Expired,
    /// It was ended on purpose.
    #[error("the login was revoked")]
    Revoked,
    /// A token was used that had been replaced: somebody else has a copy of it.
    #[error("a spent refresh token was used again")]
    Reused,
    #[error("the guest's room could not be looked up")]
    Rooms(ErrorBody),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RefreshError> for ErrorBody {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Unknown => Self::new(ErrorCode::Unauthenticated, "Nobody is logged in."),
            RefreshError::Expired => {
                Self::new(ErrorCode::TokenExpired, "The login has expired; log in again.")
            }
            RefreshError::Revoked | RefreshError::Reused => {
                Self::new(ErrorCode::Revoked, "The login was ended; log in again.")
            }
            RefreshError::Rooms(error) => error,
            RefreshError::Store(error) => error.into(),
        }
    }
}

/// Why an invite was not made, shown, used or revoked.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// Unknown, expired, revoked or used up: the difference would tell strangers something.
    #[error("the invite does not work")]
    NotFound,
    /// The room does not exist, or the caller may not know that it does.
    #[error("there is no such room")]
    NoRoom,
    #[error("this identity may not invite to this room")]
    NotAllowed,
    /// A guest or an API key's subject cannot take what is meant for accounts.
    #[error("only accounts can accept an invite")]
    NotAnAccount,
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error("rooms could not be asked")]
    Rooms(ErrorBody),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<InviteError> for ErrorBody {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::NotFound => {
                Self::new(ErrorCode::NotFound, "This invite link does not work, or no longer.")
            }
            InviteError::NoRoom => Self::new(ErrorCode::NotFound, "There is no such room."),
            InviteError::NotAllowed => {
                Self::new(ErrorCode::Forbidden, "You may not invite others to this room.")
            }
            InviteError::NotAnAccount => {
                Self::new(ErrorCode::Forbidden, "Only an account can accept an invite.")
            }
            InviteError::Invalid(invalid) => invalid.into(),
            InviteError::Rooms(error) => error,
            InviteError::Store(error) => error.into(),
        }
    }
}

/// Why somebody could not come in as a guest.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Invite(#[from] InviteError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<GuestError> for ErrorBody {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::Invalid(invalid) => invalid.into(),
            GuestError::Invite(error) => error.into(),
            GuestError::Store(error) => error.into(),
        }
    }
}

/// Why an access token makes nobody known.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the token was revoked")]
    Revoked,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AuthenticateError> for ErrorBody {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Token(error) => error.into(),
            AuthenticateError::Revoked => {
                Self::new(ErrorCode::Revoked, "This access was ended; log in again.")
            }
            AuthenticateError::Store(error) => error.into(),
        }
    }
}
