//! What a request must show before it may touch the refresh cookie, and how often it may come.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use confer_http::{ApiError, ClientAddr};
use confer_protocol::error::{ErrorBody, ErrorCode};

use super::Context;
use crate::rate_limit::Scope;

/// A header no form can send and no foreign page may, unless the server lets its origin in.
const CLIENT_HEADER: HeaderName = HeaderName::from_static("x-confer-client");

/// The request comes from a page of this server, of an origin it lets in, or from no page at all.
#[derive(Debug)]
pub(super) struct KnownOrigin;

impl FromRequestParts<Context> for KnownOrigin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
        let text = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
        // Browsers send it with every POST; native clients have none.
        let Some(origin) = parts.headers.get(header::ORIGIN) else { return Ok(Self) };
        let origin = origin.to_str().unwrap_or_default();
        let own = match (parts.uri.authority(), text(header::HOST)) {
            (Some(authority), _) => Some(authority.as_str()),
            (None, host) => host,
        };
        let same = origin.split_once("://").is_some_and(|(_, host)| Some(host) == own);
        if same || context.cookies.origins.iter().any(|known| known == origin) {
            return Ok(Self);
        }
        let error =
            ErrorBody::new(ErrorCode::Forbidden, "Pages of this origin may not log in here.");
        Err(ApiError::new(error, parts))
    }
}

/// Beyond [`KnownOrigin`]: the request was made by a script that meant to make it.
#[derive(Debug)]
pub(super) struct Deliberate;

impl FromRequestParts<Context> for Deliberate {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, context: &Context) -> Result<Self, ApiError> {
        <KnownOrigin as FromRequestParts<Context>>::from_request_parts(parts, context).await?;
        if parts.headers.contains_key(CLIENT_HEADER) {
            return Ok(Self);
        }
        let message = format!("This needs the header `{CLIENT_HEADER}`, with any value.");
        Err(ApiError::new(ErrorBody::new(ErrorCode::Forbidden, message), parts))
    }
}

/// The address this request counts for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(IpAddr);

impl Address {
    /// Takes a token of this address's bucket.
    pub(super) fn limit(self, context: &Context, scope: Scope) -> Result<(), ErrorBody> {
        Ok(context.accounts.limit(|limiter, now| limiter.address(scope, self.0, now))?)
    }
}

impl FromRequestParts<Context> for Address {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Context) -> Result<Self, ApiError> {
        // Without an address everybody shares one bucket: too strict rather than too generous.
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Ok(Self(parts.extensions.get::<ClientAddr>().map_or(unknown, |addr| addr.0)))
    }
}
