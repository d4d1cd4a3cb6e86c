use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::rest::Problem;

/// Names one request in logs and error bodies.
#[derive(Clone, Debug, Default)]
pub struct RequestId(pub String);

/// An error answer: RFC 9457 problem details with the stable code inside.
#[derive(Debug)]
pub struct ApiError {
    error: ErrorBody,
    request_id: RequestId,
}

impl ApiError {
    /// An error that names the request it answers.
    pub fn new(error: ErrorBody, parts: &Parts) -> Self {
        let request_id = parts.extensions.get::<RequestId>().cloned().unwrap_or_default();
        Self { error, request_id }
    }

    /// The code inside.
    pub fn code(&self) -> ErrorCode {
        self.error.code
    }
}

/// Handlers convert with `?`; the layer that adds request ids fills in the id on the way out.
impl From<ErrorBody> for ApiError {
    fn from(error: ErrorBody) -> Self {
        Self { error, request_id: RequestId::default() }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.code.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.error.retry_after_ms.map(|ms| ms.div_ceil(1000));
        let problem = Problem {
            kind: format!("/docs/errors#{}", code_text(self.error.code)),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            error: self.error.clone(),
            request_id: self.request_id.0,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // The request id layer reads this to complete and log the problem.
        response.extensions_mut().insert(problem);
        response
    }
}

fn code_text(code: ErrorCode) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}
