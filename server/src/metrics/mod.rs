//! `GET /metrics`: what every part counted, in the text form Prometheus reads (0.0.4).
//!
//! Answered to this machine only, or to whoever has the token of `http.metrics-token-file`: numbers
//! of rooms and participants are nobody else's business.

mod media;
mod page;
mod service;
pub(crate) mod turn;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use confer_turn_net::TurnHandle;

use crate::assemble::RELOADS;
use crate::config::Secret;
use crate::http::serve::PeerAddr;
use crate::http::tls::Tls;
use page::Page;
pub(crate) use service::ServiceSources;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that counts.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) token: Option<Secret>,
    pub(crate) tls: Option<Arc<Tls>>,
    /// `None` where nothing is kept.
    pub(crate) service: Option<ServiceSources>,
    pub(crate) turn: Option<TurnHandle>,
}

/// The route.
pub(crate) async fn metrics(
    State(sources): State<Arc<Sources>>,
    Extension(PeerAddr(peer)): Extension<PeerAddr>,
    headers: HeaderMap,
) -> Response {
    if !permitted(sources.token.as_ref(), peer.ip(), &headers) {
        let hint = "Metrics are answered to this machine, or with the token of \
                    http.metrics-token-file as `Authorization: Bearer`.\n";
        return (StatusCode::FORBIDDEN, hint).into_response();
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page(&sources)).into_response()
}

fn permitted(token: Option<&Secret>, peer: IpAddr, headers: &HeaderMap) -> bool {
    match token {
        Some(token) => {
            let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            given
                .and_then(|given| given.strip_prefix("Bearer "))
                .is_some_and(|given| equal(given.as_bytes(), token.reveal().as_bytes()))
        }
        // A proxy on this machine is not the one who asks.
        None => {
            peer.to_canonical().is_loopback()
                && !headers.contains_key("x-forwarded-for")
                && !headers.contains_key(header::FORWARDED)
        }
    }
}

/// Takes equally long wherever the first difference is.
pub(crate) fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn page(sources: &Sources) -> String {
    let mut page = Page::default();
    page.gauge("confer_build_info", "Always 1; its label names the version.");
    page.labelled("confer_build_info", "version", env!("CARGO_PKG_VERSION"), 1);
    let (taken, refused) = (&RELOADS.taken, &RELOADS.refused);
    let reloads = "confer_reloads_total";
    page.counter(reloads, "Changes of configuration without a restart, by outcome.");
    page.labelled(reloads, "outcome", "taken", taken.load(Ordering::Relaxed));
    page.labelled(reloads, "outcome", "refused", refused.load(Ordering::Relaxed));
    if let Some(until) = sources.tls.as_ref().and_then(|tls| tls.expires_at()) {
        let help = "When the certificate of TLS ends, in seconds since 1970.";
        page.one_gauge("confer_tls_certificate_expiry_seconds", help, until);
    }
    if let Some(service) = &sources.service {
        service::write(&mut page, service);
    }
    if let Some(turn) = &sources.turn {
        turn::write(&mut page, &turn.stats());
    }
    page.text
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn without_a_token_only_this_machine_is_answered_and_not_through_a_proxy() {
        let local = IpAddr::from([127, 0, 0, 1]);
        assert!(permitted(None, local, &HeaderMap::new()));
        assert!(!permitted(None, IpAddr::from([192, 0, 2, 1]), &HeaderMap::new()));

        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        assert!(!permitted(None, local, &headers));
    }

    #[test]
    fn with_a_token_nothing_else_counts() {
        let (token, local) = (Secret::new("s3cret"), IpAddr::from([127, 0, 0, 1]));
        let mut headers = HeaderMap::new();
        assert!(!permitted(Some(&token), local, &headers));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer wrong!"));
        assert!(!permitted(Some(&token), local, &headers));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
        assert!(permitted(Some(&token), IpAddr::from([192, 0, 2, 1]), &headers));
    }
}
