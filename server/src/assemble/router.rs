use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use super::{Services, translate};
use crate::config::Config;
use crate::health::{self, Health};
use crate::http::{assets, cors, headers, request};
use crate::ports::{AddressBook, Calls};
use crate::{metrics, openapi};

/// Every route of this process: those of the parts, the operator's, and the web app.
pub(super) fn router(
    config: &Config,
    services: Services,
    socket_route: Option<Router>,
    stopping: CancellationToken,
) -> Router {
    let Services { accounts, chat, signaling, sfu, bus, pool } = services;
    let address_book = Arc::new(AddressBook(accounts.clone()));
    let calls = Arc::new(Calls(signaling.clone()));
    let api = confer_accounts::routes(accounts.clone(), translate::cookies(config))
        .merge(confer_chat::routes(chat.clone(), address_book, calls))
        .merge(socket_route.unwrap_or_default())
        .layer(from_fn_with_state(accounts, request::authenticated))
        .layer(DefaultBodyLimit::max(config.http.max_body));
    let api = cors::shared(api, &translate::origins(config));

    let health = Health { pool: pool.clone(), sfu: sfu.clone(), stopping };
    let token = config.http.metrics_token.clone();
    let counting = Arc::new(metrics::Sources { token, pool, bus, chat, signaling, sfu });
    let operators = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready).with_state(health))
        .route("/metrics", get(metrics::metrics).with_state(counting))
        .route("/openapi.json", get(openapi::openapi));

    let app = Router::new().fallback(assets::fallback).layer(CompressionLayer::new());
    headers::secured(api.merge(operators).merge(app).layer(from_fn(request::named)))
}
