//! What every request passes on its way to a route: it gets a name and an identity.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use confer_accounts::Accounts;
use confer_http::{ApiError, Authentication, RequestId};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::rest::Problem;
use uuid::Uuid;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a request may take. Sockets are not requests any more once they are open.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names the request, for its log lines, its error body and its `X-Request-Id`; logs what failed
/// on our side, once.
pub(crate) async fn named(mut request: Request, next: Next) -> Response {
    let id = Uuid::now_v7().simple().to_string();
    let (method, begun) = (request.method().clone(), tokio::time::Instant::now());
    // The route, not the path: paths carry invite codes.
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(RequestId(id.clone()));

    let mut response = match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = "This took too long. Try again.";
            ApiError::from(ErrorBody::new(ErrorCode::Unavailable, message)).into_response()
        }
    };
    let (path, status) = (route.as_ref().map(MatchedPath::as_str), response.status().as_u16());
    let millis = begun.elapsed().as_millis();
    tracing::debug!(request.id = %id, %method, route = path, status, millis, "answered");
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let code = problem.error.code;
        if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(request.id = %id, %method, route = path, ?code, "a request failed");
        }
        let problem = Problem { request_id: id.clone(), ..problem };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = body.into();
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), id);
    }
    response
}

/// Finds out who asks, and leaves it to the route whether that matters.
pub(crate) async fn authenticated(
    State(accounts): State<Accounts>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(bearer)
        .map(str::to_owned);
    let authentication = match token {
        None => Authentication::Absent,
        Some(token) => match accounts.authenticate(&token).await {
            Ok(identity) => Authentication::Known(identity),
            Err(error) => Authentication::Refused(error.into()),
        },
    };
    request.extensions_mut().insert(authentication);
    next.run(request).await
}

/// The token of `Bearer token` (RFC 6750, section 2.1; the scheme has no case, RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_are_tokens() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer"), None);
    }
}
