//! Pages of other sites that may use the API: those the operator names, and no others.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long browsers may remember an answer to their question. Chromium caps it at two hours.
const REMEMBERED: Duration = Duration::from_secs(7200);

/// Answers browsers' questions about requests from pages of `origins`. Without origins there is
/// nothing to answer, and browsers keep other sites out by themselves.
pub(crate) fn shared(router: Router, origins: &[String]) -> Router {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|it| it.parse().ok()).collect();
    if origins.is_empty() {
        return router;
    }
    let (get, post, put, patch, delete) =
        (Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([get, post, put, patch, delete])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("x-confer-client"),
        ])
        .expose_headers([HeaderName::from_static("x-request-id"), header::RETRY_AFTER])
        .allow_credentials(true)
        .max_age(REMEMBERED);
    router.layer(layer)
}
