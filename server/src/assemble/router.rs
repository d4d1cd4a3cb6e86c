use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use confer_turn_net::TurnHandle;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use super::service::Services;
use super::translate;
use crate::config::Config;
use crate::health::{self, Health};
use crate::http::tls::Tls;
use crate::http::{assets, cors, headers, request};
use crate::ports::{AddressBook, Calls};
use crate::{metrics, openapi};

/// Every route of this process: those of the parts, the operator's, and the web app.
pub(super) fn router(
    config: &Config,
    tls: Option<Arc<Tls>>,
    services: Option<Services>,
    turn: Option<TurnHandle>,
    admin: Option<Router>,
    socket_route: Option<Router>,
    stopping: CancellationToken,
) -> Router {
    let health = Health {
        pool: services.as_ref().map(|services| services.pool.clone()),
        sfu: services.as_ref().and_then(|services| services.sfu.clone()),
        stopping,
    };
    let token = config.http.metrics_token.clone();
    let counting = services.as_ref().map(|services| metrics::ServiceSources {
        pool: services.pool.clone(),
        bus: services.bus.clone(),
        accounts: services.accounts.clone(),
        chat: services.chat.clone(),
        signaling: services.signaling.clone(),
        sfu: services.sfu.clone(),
    });
    let counting = Arc::new(metrics::Sources { token, tls, service: counting, turn });
    let operators = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready).with_state(health))
        .route("/metrics", get(metrics::metrics).with_state(counting))
        .route("/openapi.json", get(openapi::openapi));

    let operators = operators.merge(admin.unwrap_or_default());

    let routes = match services {
        Some(services) => {
            let app = Router::new().fallback(assets::fallback).layer(CompressionLayer::new());
            api(config, services, socket_route).merge(operators).merge(app)
        }
        None => operators,
    };
    headers::secured(routes.layer(from_fn(request::named)))
}

/// What apps and the web app use.
fn api(config: &Config, services: Services, socket_route: Option<Router>) -> Router {
    let Services { accounts, chat, signaling, .. } = services;
    let address_book = Arc::new(AddressBook(accounts.clone()));
    let calls = Arc::new(Calls(signaling));
    let api = confer_accounts::routes(accounts.clone(), translate::cookies(config))
        .merge(confer_chat::routes(chat, address_book, calls))
        .merge(socket_route.unwrap_or_default())
        .layer(from_fn_with_state(accounts, request::authenticated))
        .layer(DefaultBodyLimit::max(config.http.max_body));
    cors::shared(api, &translate::origins(config))
}
