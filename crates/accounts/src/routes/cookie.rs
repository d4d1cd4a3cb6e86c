//! The refresh cookie: for this server's scripts unreadable, for other sites unusable.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use confer_http::ApiJson;
use confer_protocol::rest::TokenResponse;

use super::{Context, CookieConfig};
use crate::service::Session;

const NAME: &str = "confer_refresh";
/// The only routes the browser sends it to.
const PATH: &str = "/v1/auth";

/// The refresh token the request carries.
pub(super) fn read(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == NAME).then_some(value)
    })
}

/// Answers with the access token in the body and the refresh token in the cookie.
pub(super) fn answer(status: StatusCode, context: &Context, session: Session) -> Response {
    let now = context.accounts.now();
    let seconds = |until: confer_protocol::Timestamp| (until.0 - now.0).whole_seconds().max(0);
    let cookie =
        set(&context.cookies, &session.refresh.expose(), seconds(session.refresh_expires_at));
    let body = TokenResponse {
        access_token: session.access.expose().to_owned(),
        expires_in: u32::try_from(seconds(session.access_expires_at)).unwrap_or(u32::MAX),
        user: session.user,
        room: session.room,
    };
    let headers = [(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, no_store())];
    (status, headers, ApiJson(body)).into_response()
}

/// Answers with nothing but the word to forget the cookie.
pub(super) fn forget(context: &Context) -> Response {
    let cookie = set(&context.cookies, "", 0);
    let headers = [(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, no_store())];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Answers with nothing, and leaves the caller's cookie alone.
pub(super) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

fn set(config: &CookieConfig, value: &str, max_age_seconds: i64) -> HeaderValue {
    let secure = if config.secure { "; Secure" } else { "" };
    let cookie = format!(
        "{NAME}={value}; Path={PATH}; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict{secure}"
    );
    HeaderValue::try_from(cookie).expect("base64url and numbers are plain characters")
}

fn no_store() -> HeaderValue {
    HeaderValue::from_static("no-store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others_and_only_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; not_confer_refresh=2"));
        assert_eq!(read(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("b=3;confer_refresh=4-_; c=5"));
        assert_eq!(read(&headers), Some("4-_"));
    }

    #[test]
    fn the_cookie_is_kept_from_scripts_and_other_sites() {
        let plain = set(&CookieConfig::default(), "x", 60);
        assert_eq!(plain, "confer_refresh=x; Path=/v1/auth; Max-Age=60; HttpOnly; SameSite=Strict");
        let secure = CookieConfig { secure: true, ..CookieConfig::default() };
        assert!(set(&secure, "x", 60).to_str().expect("it is text").ends_with("; Secure"));
    }
}
