use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use confer_protocol::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::TokenError;
use crate::identity::Grants;
use crate::key::{KeyId, SigningKey, VerifyingKey};

/// The longest token that is looked at. One with a hundred rooms in its grants has half of that.
pub const TOKEN_BYTES_MAX: usize = 8192;
/// The longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 256;

/// A signed token on its way to its bearer. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// The token itself, for the answer that hands it out.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}

/// What a token says (RFC 7519, section 4.1). Times are seconds since 1970, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it: `confer`, or the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whose token it is: a user id in the server's own tokens, the application's own name for
    /// its user in those of an API key.
    pub sub: String,
    /// What others see of them. Default: `sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it permits. Default: nothing.
    #[serde(default)]
    pub grants: Grants,
    /// When it was made.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// When it begins. Default: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Names this one token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// The login it came from, by which it is revoked with all others of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// Whether the bearer is a guest. Only the server's own tokens are believed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest: bool,
}

impl Claims {
    /// Claims of somebody who may do nothing yet, valid from `now` for `lifetime`.
    pub fn new(sub: impl Into<String>, now: Timestamp, lifetime: Duration) -> Self {
        let iat = now.0.unix_timestamp();
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Self {
            iss: None,
            sub: sub.into(),
            name: None,
            grants: Grants::default(),
            iat,
            exp: iat.saturating_add(seconds),
            nbf: None,
            jti: None,
            sid: None,
            guest: false,
        }
    }

    /// When the token ends.
    pub fn expires_at(&self) -> Timestamp {
        // Checked when the token was: what is no date was refused.
        Timestamp(
            OffsetDateTime::from_unix_timestamp(self.exp).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        )
    }

    /// When the token was made.
    pub fn issued_at(&self) -> Timestamp {
        Timestamp(
            OffsetDateTime::from_unix_timestamp(self.iat).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        )
    }
}

impl SigningKey {
    /// Makes a token of these claims.
    ///
    /// # Errors
    /// When the claims do not fit into a token that [`verify`] would look at.
    pub fn sign(&self, claims: &Claims) -> Result<AccessToken, TokenError> {
        let header = Header { kid: Some(self.id.to_string()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, claims, &self.key)
            .map_err(|error| TokenError::BadClaims(error.to_string()))?;
        if token.len() > TOKEN_BYTES_MAX {
            Err(TokenError::TooLong)
        } else {
            Ok(AccessToken(token))
        }
    }
}

/// How strict checking is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// By how much the clocks of signer and server may differ. Default: 30 s.
    pub clock_skew: Duration,
    /// The longest a token may be valid, from its `iat` to its `exp`. Default: 24 h.
    pub lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { clock_skew: Duration::from_secs(30), lifetime: Duration::from_secs(24 * 60 * 60) }
    }
}

/// The key a token says it is signed with. Nothing else of it is to be believed before
/// [`verify`].
///
/// # Errors
/// When it is no token or names no key.
pub fn key_id(token: &str) -> Result<KeyId, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
    header.kid.and_then(|kid| kid.parse().ok()).ok_or(TokenError::NoKeyId)
}

/// Checks a token against the key that [`key_id`] names.
///
/// # Errors
/// See [`TokenError`].
pub fn verify(
    token: &str,
    key: &VerifyingKey,
    limits: &Limits,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    // Times are checked below, against a clock that is handed in.
    let mut validation = Validation::new(key.algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation)
        .map_err(|error| refusal(error.kind()))?
        .claims;
    check_subject(&claims)?;
    check_times(&claims, limits, now)?;
    Ok(claims)
}

/// Every key of this server, old and new: tokens name theirs, so keys are changed by adding one,
/// signing with it, and dropping the old one when its last token has expired.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: BTreeMap<KeyId, VerifyingKey>,
    limits: Limits,
}

impl Verifier {
    /// A verifier that knows no key yet.
    pub fn new(limits: Limits) -> Self {
        Self { keys: BTreeMap::new(), limits }
    }

    /// Accepts tokens of this key as well.
    #[must_use]
    pub fn with(mut self, id: KeyId, key: VerifyingKey) -> Self {
        self.keys.insert(id, key);
        self
    }

    /// Whether this is one of its keys.
    pub fn knows(&self, id: &KeyId) -> bool {
        self.keys.contains_key(id)
    }

    /// How strict it is.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Checks a token and says which key signed it.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<(KeyId, Claims), TokenError> {
        let id = key_id(token)?;
        match self.keys.get(&id) {
            Some(key) => Ok((id, verify(token, key, &self.limits, now)?)),
            None => Err(TokenError::UnknownKey(id)),
        }
    }
}

fn refusal(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::BadSignature,
        ErrorKind::InvalidAlgorithm | ErrorKind::MissingAlgorithm => TokenError::WrongAlgorithm,
        ErrorKind::Json(error) => TokenError::BadClaims(error.to_string()),
        // The library's list is open; whatever it adds is a token it cannot read.
        _ => TokenError::Malformed,
    }
}

fn check_subject(claims: &Claims) -> Result<(), TokenError> {
    let bad = |what: &str| Err(TokenError::BadClaims(what.to_owned()));
    let length = claims.sub.chars().count();
    if length == 0 || length > SUBJECT_CHARS_MAX || claims.sub.contains('\0') {
        return bad("`sub` has 1 to 256 characters");
    }
    match &claims.name {
        Some(name) if !(1..=64).contains(&name.chars().count()) || name.contains('\0') => {
            bad("`name` has 1 to 64 characters")
        }
        _ => Ok(()),
    }
}

fn check_times(claims: &Claims, limits: &Limits, now: Timestamp) -> Result<(), TokenError> {
    let now = now.0.unix_timestamp();
    let skew = i64::try_from(limits.clock_skew.as_secs()).unwrap_or(i64::MAX);
    let lifetime = i64::try_from(limits.lifetime.as_secs()).unwrap_or(i64::MAX);
    let date = |seconds| OffsetDateTime::from_unix_timestamp(seconds).is_ok();
    if !date(claims.iat) || !date(claims.exp) {
        return Err(TokenError::BadClaims("`iat` and `exp` are seconds since 1970".to_owned()));
    }
    if claims.exp.saturating_add(skew) <= now {
        return Err(TokenError::Expired);
    }
    let begins = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
    if begins > now.saturating_add(skew) {
        return Err(TokenError::NotYetValid);
    }
    if claims.exp.saturating_sub(claims.iat) > lifetime {
        return Err(TokenError::LifetimeTooLong { limit: limits.lifetime });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
