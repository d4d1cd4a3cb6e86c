use std::time::Duration;

use confer_protocol::error::{ErrorBody, ErrorCode};

use crate::key::{KeyId, SECRET_BYTES_MIN};
use crate::token::TOKEN_BYTES_MAX;

/// Why an access token was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than any token this server or a back end makes.
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,

    /// Not three base64url parts, or a header that cannot be read.
    #[error("this is not a token")]
    Malformed,

    /// The header names no key, so none can be chosen.
    #[error("the token's header has no usable key id (`kid`)")]
    NoKeyId,

    /// The header names a key that does not exist or was revoked.
    #[error("there is no key {0}")]
    UnknownKey(KeyId),

    /// Signed with another algorithm than the one the key is for.
    #[error("the token is not signed with its key's algorithm")]
    WrongAlgorithm,

    /// Not signed by that key.
    #[error("the token's signature is wrong")]
    BadSignature,

    /// Signed, but its claims are not ours. The reason is the parser's.
    #[error("the token's claims cannot be used: {0}")]
    BadClaims(String),

    /// Past its `exp`.
    #[error("the token has expired")]
    Expired,

    /// Before its `nbf`, or issued in the future.
    #[error("the token is not valid yet; check the clock of the machine that signed it")]
    NotYetValid,

    /// Valid for longer than this server lets any token be.
    #[error("the token is valid for more than {} s", limit.as_secs())]
    LifetimeTooLong { limit: Duration },
}

impl TokenError {
    /// The code clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::TokenExpired,
            Self::TooLong
            | Self::Malformed
            | Self::NoKeyId
            | Self::UnknownKey(_)
            | Self::WrongAlgorithm
            | Self::BadSignature
            | Self::BadClaims(_)
            | Self::NotYetValid
            | Self::LifetimeTooLong { .. } => ErrorCode::Unauthenticated,
        }
    }
}

impl From<TokenError> for ErrorBody {
    fn from(error: TokenError) -> Self {
        let mut message = error.to_string();
        if let Some(first) = message.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        message.push('.');
        Self::new(error.code(), message)
    }
}

/// Why something is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Ids travel in token headers and in logs.
    #[error("a key id is 1 to 64 letters, digits, `-` or `_`")]
    BadId,

    /// A secret that can be guessed signs nothing (RFC 7518, section 3.2).
    #[error("a secret has at least {SECRET_BYTES_MIN} bytes")]
    SecretTooShort,

    /// Not the `x` of an Ed25519 JWK (RFC 8037, section 2).
    #[error("an Ed25519 public key is 32 bytes in base64url")]
    BadPublicKey,
}
