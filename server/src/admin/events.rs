//! `/v1/admin/turn/events`: what happens to allocations, as it happens.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event as Sse, KeepAlive};
use axum::response::{IntoResponse, Response};
use confer_protocol::Timestamp;
use confer_turn_core::Event;
use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;

use super::carried::Carried;
use super::{Admin, Policies};
use crate::metrics::turn::{close_word, transport_word};

/// How often a stream without news shows that it is alive.
const ALIVE: Duration = Duration::from_secs(15);

/// Something that happened to an allocation, and when it was told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Told {
    at: Timestamp,
    #[serde(flatten)]
    what: What,
}

/// An allocation is known by `transport` and `client` together until it is closed or has moved.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
enum What {
    Allocated {
        /// `default` is what `[turn]` itself says.
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        username: String,
        /// `udp`, `tcp`, `tls` or `dtls`: what the client speaks.
        transport: &'static str,
        client: String,
        relayed: Vec<String>,
    },
    Refreshed {
        transport: &'static str,
        client: String,
        lifetime_seconds: u64,
        /// So far.
        carried: Carried,
    },
    /// The client went on from another address (RFC 8016).
    Moved { transport: &'static str, from: String, client: String },
    Closed {
        #[serde(skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        username: String,
        transport: &'static str,
        client: String,
        /// `expired`, `released`, `disconnected` or `kicked`.
        reason: &'static str,
        lived_seconds: u64,
        carried: Carried,
    },
    /// The reader was too slow: so many events were lost.
    Missed { count: u64 },
}

/// What happens to allocations, as server-sent events of one JSON object each. Who is too slow is
/// told how many were lost.
#[utoipa::path(get, path = "/v1/admin/turn/events", tag = "admin",
    responses((status = 200, content_type = "text/event-stream", body = Told),
        (status = 401, description = "No admin token")))]
pub(super) async fn events(State(admin): State<Admin>) -> Response {
    let news = (admin.relay.events(), admin.policies);
    let stream = futures::stream::unfold(news, |(mut events, policies)| async {
        loop {
            let what = match events.recv().await {
                Ok(event) => tell(event, &policies.borrow()),
                Err(RecvError::Lagged(count)) => Some(What::Missed { count }),
                Err(RecvError::Closed) => return None,
            };
            if let Some(what) = what {
                let told = Told { at: OffsetDateTime::now_utc().into(), what };
                let line = Sse::default().json_data(told).expect("plain fields are JSON");
                return Some((Ok::<_, Infallible>(line), (events, policies)));
            }
        }
    });
    axum::response::Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE)).into_response()
}

/// An event of an allocation; its sockets are nobody's business.
fn tell(event: Event, tenants: &Policies) -> Option<What> {
    Some(match event {
        Event::Allocated { tuple, tenant, username, relayed } => What::Allocated {
            tenant: tenants.name(tenant),
            username,
            transport: transport_word(tuple.transport),
            client: tuple.client.to_string(),
            relayed: relayed.iter().map(|address| address.to_string()).collect(),
        },
        Event::Refreshed { tuple, lifetime, traffic } => What::Refreshed {
            transport: transport_word(tuple.transport),
            client: tuple.client.to_string(),
            lifetime_seconds: lifetime.as_secs(),
            carried: traffic.into(),
        },
        Event::Moved { from, to } => What::Moved {
            transport: transport_word(to.transport),
            from: from.client.to_string(),
            client: to.client.to_string(),
        },
        Event::Closed { tuple, tenant, username, reason, since, traffic } => What::Closed {
            tenant: tenants.name(tenant),
            username,
            transport: transport_word(tuple.transport),
            client: tuple.client.to_string(),
            reason: close_word(reason),
            lived_seconds: since.elapsed().as_secs(),
            carried: traffic.into(),
        },
        Event::RelayClosed { .. } | Event::ConnectionClosed { .. } => return None,
    })
}
