use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use confer_auth::Identity;
use confer_protocol::error::{ErrorBody, ErrorCode};

use crate::ApiError;

/// What the authentication layer found; it puts one into every request's extensions.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// The request carried no token.
    Absent,
    /// It carried one that was refused.
    Refused(ErrorBody),
    /// It carried a good one.
    Known(Identity),
}

/// The caller's identity; without one the request is answered 401.
#[derive(Clone, Debug)]
pub struct Caller(pub Identity);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let refusal = match parts.extensions.get::<Authentication>() {
            Some(Authentication::Known(identity)) => return Ok(Self(identity.clone())),
            Some(Authentication::Refused(error)) => error.clone(),
            Some(Authentication::Absent) | None => ErrorBody::new(
                ErrorCode::Unauthenticated,
                "This needs an access token: send it as `Authorization: Bearer …`.",
            ),
        };
        Err(ApiError::new(refusal, parts))
    }
}

/// The caller's identity if there is one; never refuses.
#[derive(Clone, Debug)]
pub struct MaybeCaller(pub Option<Identity>);

impl<S: Send + Sync> FromRequestParts<S> for MaybeCaller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(match parts.extensions.get::<Authentication>() {
            Some(Authentication::Known(identity)) => Some(identity.clone()),
            Some(Authentication::Refused(_) | Authentication::Absent) | None => None,
        }))
    }
}
