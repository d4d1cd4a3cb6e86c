use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use confer_http::{ApiError, ApiJson};
use confer_protocol::error::ErrorBody;
use confer_protocol::rest::{GuestRequest, LoginRequest, Problem, RegisterRequest, TokenResponse};

use super::guard::{Address, Deliberate, KnownOrigin};
use super::{Context, cookie};
use crate::error::RefreshError;
use crate::rate_limit::Scope;

/// Makes an account and logs it in. The refresh token comes in an HttpOnly cookie.
#[utoipa::path(
    post, path = "/v1/auth/register", tag = "identity", request_body = RegisterRequest,
    responses(
        (status = 201, description = "Logged in", body = TokenResponse),
        (status = 409, description = "The address has an account", body = Problem),
        (status = 422, description = "A field cannot be used", body = Problem),
        (status = 429, description = "Too many attempts", body = Problem),
    )
)]
pub(super) async fn register(
    State(context): State<Context>,
    address: Address,
    _: KnownOrigin,
    ApiJson(body): ApiJson<RegisterRequest>,
) -> Result<Response, ApiError> {
    address.limit(&context, Scope::Register)?;
    let session = context.accounts.register(&body.email, body.password, &body.name).await;
    let session = session.map_err(ErrorBody::from)?;
    Ok(cookie::answer(StatusCode::CREATED, &context, session))
}

/// Logs an account in.
#[utoipa::path(
    post, path = "/v1/auth/login", tag = "identity", request_body = LoginRequest,
    responses(
        (status = 200, description = "Logged in", body = TokenResponse),
        (status = 401, description = "The address or the password is wrong", body = Problem),
        (status = 429, description = "Too many attempts", body = Problem),
    )
)]
pub(super) async fn login(
    State(context): State<Context>,
    address: Address,
    _: KnownOrigin,
    ApiJson(body): ApiJson<LoginRequest>,
) -> Result<Response, ApiError> {
    address.limit(&context, Scope::Login)?;
    let session = context.accounts.login(&body.email, body.password).await;
    let session = session.map_err(ErrorBody::from)?;
    Ok(cookie::answer(StatusCode::OK, &context, session))
}

/// Continues the login whose cookie this is: a fresh access token, and the next refresh token.
#[utoipa::path(
    post, path = "/v1/auth/refresh", tag = "identity",
    params(("x-confer-client" = String, Header, description = "Any value")),
    responses(
        (status = 200, description = "Continued", body = TokenResponse),
        (status = 401, description = "Nobody is logged in, or no longer", body = Problem),
        (status = 403, description = "The header is missing or the origin is foreign", body = Problem),
        (status = 429, description = "Too many attempts", body = Problem),
    )
)]
pub(super) async fn refresh(
    State(context): State<Context>,
    address: Address,
    _: Deliberate,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    address.limit(&context, Scope::Refresh)?;
    let refreshed = match cookie::read(&headers) {
        Some(token) => context.accounts.refresh(token).await,
        None => Err(RefreshError::Unknown),
    };
    let session = refreshed.map_err(ErrorBody::from)?;
    Ok(cookie::answer(StatusCode::OK, &context, session))
}

/// Ends the login whose cookie this is. Its access tokens are refused from now on.
#[utoipa::path(
    post, path = "/v1/auth/logout", tag = "identity",
    params(("x-confer-client" = String, Header, description = "Any value")),
    responses(
        (status = 204, description = "Nobody is logged in any more"),
        (status = 403, description = "The header is missing or the origin is foreign", body = Problem),
        (status = 429, description = "Too many attempts", body = Problem),
    )
)]
pub(super) async fn logout(
    State(context): State<Context>,
    address: Address,
    _: Deliberate,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    address.limit(&context, Scope::Refresh)?;
    if let Some(token) = cookie::read(&headers) {
        context.accounts.logout(token).await.map_err(ErrorBody::from)?;
    }
    Ok(cookie::forget(&context).into_response())
}

/// Lets somebody without an account into the one room they were invited to.
#[utoipa::path(
    post, path = "/v1/auth/guest", tag = "identity", request_body = GuestRequest,
    responses(
        (status = 201, description = "Let in; `room` is where", body = TokenResponse),
        (status = 404, description = "The invite does not work", body = Problem),
        (status = 422, description = "A field cannot be used", body = Problem),
        (status = 429, description = "Too many attempts", body = Problem),
    )
)]
pub(super) async fn guest(
    State(context): State<Context>,
    address: Address,
    _: KnownOrigin,
    ApiJson(body): ApiJson<GuestRequest>,
) -> Result<Response, ApiError> {
    address.limit(&context, Scope::Invite)?;
    let session = context.accounts.guest(&body.invite, &body.name).await;
    let session = session.map_err(ErrorBody::from)?;
    Ok(cookie::answer(StatusCode::CREATED, &context, session))
}
