//! Why each operation can fail, and what clients are told.

use std::time::Duration;

use confer_protocol::error::{ErrorBody, ErrorCode};

/// A field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    pub field: &'static str,
    pub problem: String,
}

impl FieldError {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    fn body(&self) -> ErrorBody {
        ErrorBody::new(ErrorCode::Invalid, format!("{} {}.", self.field, self.problem))
            .with_field(self.field, self.problem.clone())
    }
}

/// Why a message was not accepted. It may be sent again with the same client id in every case.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("the message breaks a rule")]
    Invalid(#[from] FieldError),
    /// The token does not permit writing.
    #[error("the token does not grant chat_write")]
    NotGranted,
    /// There is no such conversation, or the sender is no member of it.
    #[error("no such conversation for this sender")]
    NotFound,
    /// The queue is full or the database is away.
    #[error("messages cannot be stored now")]
    Unavailable { retry_after: Duration },
    /// The service has stopped.
    #[error("the chat service is stopping")]
    Stopping,
    /// The database refuses this message for a reason that trying again does not change.
    #[error("the database refused the message")]
    Refused,
}

impl SendError {
    /// The code clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::Invalid,
            Self::NotGranted => ErrorCode::Forbidden,
            Self::NotFound => ErrorCode::NotFound,
            Self::Unavailable { .. } => ErrorCode::Unavailable,
            Self::Stopping => ErrorCode::Draining,
            Self::Refused => ErrorCode::Internal,
        }
    }
}

impl From<SendError> for ErrorBody {
    fn from(error: SendError) -> Self {
        let code = error.code();
        match error {
            SendError::Invalid(field) => field.body(),
            SendError::NotGranted => Self::new(code, "This token does not permit writing."),
            SendError::NotFound => no_such_conversation(),
            SendError::Unavailable { retry_after } => Self {
                retry_after_ms: Some(millis(retry_after)),
                ..Self::new(
                    code,
                    "Messages cannot be stored right now. Send it again with the same client_id.",
                )
            },
            SendError::Stopping => Self::new(
                code,
                "The server is stopping. Send it again elsewhere with the same client_id.",
            ),
            SendError::Refused => Self::new(code, "The message could not be stored."),
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the query breaks a rule")]
    Invalid(#[from] FieldError),
    /// The token does not permit reading.
    #[error("the token does not grant chat_read")]
    NotGranted,
    /// There is no such conversation, or the reader is no member of it.
    #[error("no such conversation for this reader")]
    NotFound,
    #[error("the database could not be read")]
    Database(#[from] sqlx::Error),
}

impl ReadError {
    /// The code clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::Invalid,
            Self::NotGranted => ErrorCode::Forbidden,
            Self::NotFound => ErrorCode::NotFound,
            Self::Database(error) => database_code(error),
        }
    }
}

impl From<ReadError> for ErrorBody {
    fn from(error: ReadError) -> Self {
        let code = error.code();
        match error {
            ReadError::Invalid(field) => field.body(),
            ReadError::NotGranted => Self::new(code, "This token does not permit reading."),
            ReadError::NotFound => no_such_conversation(),
            ReadError::Database(error) => database_body(&error),
        }
    }
}

/// Why a receipt was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The token does not permit reading.
    #[error("the token does not grant chat_read")]
    NotGranted,
    /// There is no such conversation, or the reader is no member of it.
    #[error("no such conversation for this reader")]
    NotFound,
    /// The queue is full or the database is away.
    #[error("receipts cannot be stored now")]
    Unavailable { retry_after: Duration },
}

impl MarkError {
    /// The code clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotGranted => ErrorCode::Forbidden,
            Self::NotFound => ErrorCode::NotFound,
            Self::Unavailable { .. } => ErrorCode::Unavailable,
        }
    }
}

impl From<MarkError> for ErrorBody {
    fn from(error: MarkError) -> Self {
        let code = error.code();
        match error {
            MarkError::NotGranted => Self::new(code, "This token does not permit reading."),
            MarkError::NotFound => no_such_conversation(),
            MarkError::Unavailable { retry_after } => Self {
                retry_after_ms: Some(millis(retry_after)),
                ..Self::new(code, "Receipts cannot be stored right now. Send it again.")
            },
        }
    }
}

/// Why a room, a direct conversation or a membership could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    #[error("the request breaks a rule")]
    Invalid(#[from] FieldError),
    /// The token does not permit creating rooms and conversations.
    #[error("the token does not grant create")]
    NotGranted,
    /// There is no such room or user.
    #[error("no such room or user")]
    NotFound,
    /// The room has as many members, or the user owns as many rooms, as allowed.
    #[error("the limit of {limit} {what} is reached")]
    TooMany { what: &'static str, limit: u32 },
    #[error("the database could not be changed")]
    Database(#[from] sqlx::Error),
}

impl RoomError {
    /// The code clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::Invalid,
            Self::NotGranted => ErrorCode::Forbidden,
            Self::NotFound => ErrorCode::NotFound,
            Self::TooMany { .. } => ErrorCode::Conflict,
            Self::Database(error) => database_code(error),
        }
    }
}

impl From<RoomError> for ErrorBody {
    fn from(error: RoomError) -> Self {
        let code = error.code();
        match error {
            RoomError::Invalid(field) => field.body(),
            RoomError::NotGranted => {
                Self::new(code, "This token does not permit creating rooms or conversations.")
            }
            RoomError::NotFound => Self::new(code, "There is no such room or user."),
            RoomError::TooMany { what, limit } => {
                Self::new(code, format!("There are {limit} {what} already, which is the limit."))
            }
            RoomError::Database(error) => database_body(&error),
        }
    }
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the chat tables cannot be read; apply the migrations first")]
    Database(#[from] sqlx::Error),
}

/// The same answer whether it does not exist or is somebody else's.
fn no_such_conversation() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, "There is no such conversation among yours.")
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

fn database_code(error: &sqlx::Error) -> ErrorCode {
    if is_transient(error) { ErrorCode::Unavailable } else { ErrorCode::Internal }
}

/// Logs what happened, once, because the caller only hears that it happened.
fn database_body(error: &sqlx::Error) -> ErrorBody {
    if is_transient(error) {
        tracing::warn!(%error, "the database is not available");
        ErrorBody {
            retry_after_ms: Some(1000),
            ..ErrorBody::new(ErrorCode::Unavailable, "The database is not available. Try again.")
        }
    } else {
        tracing::error!(%error, "the database refused a statement");
        ErrorBody::new(ErrorCode::Internal, "Something went wrong on the server.")
    }
}

/// Whether the same statement may succeed on another connection or a moment later.
pub(crate) fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // 08 connection, 40 rollback (deadlock, serialisation), 53 resources, 55P03 lock timeout,
        // 57P an administrator or a crash ended the session, 25P03 idle in transaction too long.
        sqlx::Error::Database(cause) => cause.code().is_some_and(|code| {
            ["08", "40", "53", "55P03", "57P", "25P03"].iter().any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
