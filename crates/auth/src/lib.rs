//! Who somebody is and what they may do: identities, grants, access tokens, TURN credentials.
//!
//! Pure: `now` is an argument, keys are handed in, nothing is read or stored here. A token is
//! decoded and checked by this crate; whether its subject still exists or was revoked is asked of
//! `confer-accounts`, which then hands out the [`Identity`] every operation is checked against.
//!
//! Tokens are JWTs (RFC 7519) whose header names the key. Start reading at `token.rs`.

mod error;
mod identity;
mod key;
mod token;
pub mod turn;

pub use error::{KeyError, TokenError};
pub use identity::{Grants, Identity, RoomScope};
pub use key::{KeyId, SECRET_BYTES_MIN, Secret, SigningKey, VerifyingKey};
pub use token::{AccessToken, Claims, Limits, TOKEN_BYTES_MAX, Verifier, key_id, verify};
