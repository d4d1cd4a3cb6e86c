//! What the HTTP request of a WebSocket says: who asks, from which page, in which protocol.

use axum::http::{HeaderMap, HeaderValue, header};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::{BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL};

use crate::config::Origins;

/// What a client offered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offered {
    /// What the answer selects: a browser fails a handshake that selects nothing it offered, and
    /// would not see the close code that says why.
    pub(crate) selected: Option<HeaderValue>,
    /// Whether that is a protocol this server speaks.
    pub(crate) supported: bool,
    pub(crate) token: Option<String>,
}

/// Reads the offered subprotocols and the token, which stands among them or in `Authorization`.
pub(crate) fn offered(headers: &HeaderMap) -> Offered {
    let protocols: Vec<&str> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let supported = protocols.contains(&SUBPROTOCOL);
    let selected = if supported {
        Some(SUBPROTOCOL)
    } else {
        protocols.iter().copied().find(|name| !name.starts_with(BEARER_SUBPROTOCOL_PREFIX))
    };
    let from_protocols =
        protocols.iter().find_map(|name| name.strip_prefix(BEARER_SUBPROTOCOL_PREFIX));
    let from_header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    Offered {
        selected: selected.and_then(|name| HeaderValue::from_str(name).ok()),
        supported,
        token: from_protocols.or(from_header).map(str::to_owned),
    }
}

/// Whether the page that opens the socket may.
pub(crate) fn check_origin(headers: &HeaderMap, allowed: &Origins) -> Result<(), ErrorBody> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let others = match allowed {
        Origins::Any => return Ok(()),
        Origins::SameAnd(others) => others,
    };
    // The scheme may differ: behind a proxy that ends TLS the page is https and this socket is not.
    let page = origin.split_once("://").map(|(_, host)| host);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let same = matches!((page, host), (Some(page), Some(host)) if page.eq_ignore_ascii_case(host));
    if same || others.iter().any(|other| other.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    let message = "Pages of this origin may not connect: add it to the allowed origins.";
    Err(ErrorBody::new(ErrorCode::Forbidden, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (header::HeaderName::from_static(name), HeaderValue::from_str(value).expect("text"))
            })
            .collect()
    }

    #[test]
    fn the_token_is_found_among_the_subprotocols_and_never_selected() {
        let headers = headers(&[("sec-websocket-protocol", "confer.bearer.a.b.c, confer.v1")]);
        let offered = offered(&headers);
        assert_eq!(offered.token.as_deref(), Some("a.b.c"));
        assert_eq!(offered.selected, Some(HeaderValue::from_static(SUBPROTOCOL)));
        assert!(offered.supported);
    }

    #[test]
    fn the_token_is_found_in_the_authorization_header() {
        let headers =
            headers(&[("sec-websocket-protocol", "confer.v1"), ("authorization", "bearer a.b.c")]);
        assert_eq!(offered(&headers).token.as_deref(), Some("a.b.c"));
    }

    #[test]
    fn an_unknown_protocol_is_selected_only_so_that_the_refusal_can_be_seen() {
        let headers = headers(&[("sec-websocket-protocol", "confer.bearer.x, confer.v9")]);
        let offered = offered(&headers);
        assert!(!offered.supported);
        assert_eq!(offered.selected, Some(HeaderValue::from_static("confer.v9")));
    }

    #[test]
    fn pages_of_other_origins_are_refused_unless_named() {
        let same = headers(&[("origin", "https://a.example:8443"), ("host", "a.example:8443")]);
        let other = headers(&[("origin", "https://b.example"), ("host", "a.example")]);
        let own = Origins::default();
        let named = Origins::SameAnd(vec!["https://b.example".to_owned()]);
        assert!(check_origin(&same, &own).is_ok());
        assert!(check_origin(&headers(&[("host", "a.example")]), &own).is_ok());
        assert!(check_origin(&other, &own).is_err());
        assert!(check_origin(&other, &named).is_ok());
        assert!(check_origin(&other, &Origins::Any).is_ok());
        assert!(check_origin(&headers(&[("origin", "null"), ("host", "a")]), &own).is_err());
    }
}
