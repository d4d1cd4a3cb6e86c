//! `/v1/admin/turn/…`

use axum::Json;
use axum::extract::State;
use confer_http::{ApiError, ApiJson, ApiQuery};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_turn_core::{RelayKind, SessionInfo};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::carried::Carried;
use super::{Admin, events, policy};
use crate::metrics::turn::transport_word;

/// Allocations in one answer, unless fewer are asked for.
const SESSIONS: usize = 1_000;

#[derive(OpenApi)]
#[openapi(
    paths(sessions, kick, check_policy, drain, events::events),
    components(schemas(Session, Sessions, KickRequest, Kicked, policy::Judged, events::Told))
)]
struct Routes;

/// What the routes say about themselves.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Routes::openapi()
}

/// One allocation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Session {
    /// `default` is what `[turn]` itself says; a tenant that was taken away keeps its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// As the client names itself; an ephemeral name begins with its expiry.
    username: String,
    /// `udp`, `tcp`, `tls` or `dtls`: what the client speaks.
    transport: &'static str,
    client: String,
    relayed: Vec<String>,
    /// What is relayed: `udp` or `tcp`.
    kind: &'static str,
    expires_in_seconds: u64,
    #[serde(flatten)]
    carried: Carried,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    sessions: Vec<Session>,
    /// How many there are, also beyond the limit.
    total: usize,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionsQuery {
    /// Only those of this identity, or of this part of one.
    user: Option<String>,
    /// At most so many, 1,000 by default.
    limit: Option<usize>,
}

/// Lists allocations.
#[utoipa::path(get, path = "/v1/admin/turn/sessions", tag = "admin", params(SessionsQuery),
    responses((status = 200, body = Sessions), (status = 401, description = "No admin token")))]
pub(super) async fn sessions(
    State(admin): State<Admin>,
    ApiQuery(query): ApiQuery<SessionsQuery>,
) -> Json<Sessions> {
    let mut found = admin.relay.sessions().await;
    if let Some(user) = &query.user {
        found.retain(|session| is_of(&session.username, user));
    }
    found.sort_by(|one, other| one.username.cmp(&other.username));
    let total = found.len();
    found.truncate(query.limit.unwrap_or(SESSIONS).min(SESSIONS));
    let tenants = admin.policies.borrow();
    let sessions = found.into_iter().map(|session| Session::new(session, &tenants)).collect();
    Json(Sessions { sessions, total })
}

/// Whether an allocation is one that a kick of `user` would end.
fn is_of(username: &str, user: &str) -> bool {
    let identity = confer_turn_core::credentials::identity(username);
    identity == user || identity.split('/').any(|part| part == user)
}

impl Session {
    fn new(info: SessionInfo, tenants: &policy::Policies) -> Self {
        Self {
            tenant: tenants.name(info.tenant),
            username: info.username,
            transport: transport_word(info.tuple.transport),
            client: info.tuple.client.to_string(),
            relayed: info.relayed.iter().map(|address| address.to_string()).collect(),
            kind: match info.kind {
                RelayKind::Udp => "udp",
                RelayKind::Tcp => "tcp",
            },
            expires_in_seconds: info.expires_in.as_secs(),
            carried: info.traffic.into(),
        }
    }
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(super) struct KickRequest {
    pub(super) user: String,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(super) struct Kicked {
    /// How many allocations ended.
    pub(super) ended: usize,
}

/// Ends every allocation of an identity.
#[utoipa::path(post, path = "/v1/admin/turn/kick", tag = "admin", request_body = KickRequest,
    responses((status = 200, body = Kicked), (status = 401, description = "No admin token")))]
pub(super) async fn kick(
    State(admin): State<Admin>,
    ApiJson(request): ApiJson<KickRequest>,
) -> Json<Kicked> {
    Json(Kicked { ended: admin.relay.kick(&request.user).await })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PolicyQuery {
    /// With or without a port.
    address: String,
    /// The name of a tenant.
    tenant: Option<String>,
}

/// Says whether clients may reach an address, and which rule decides.
#[utoipa::path(get, path = "/v1/admin/turn/check-policy", tag = "admin", params(PolicyQuery),
    responses((status = 200, body = policy::Judged), (status = 404, description = "No such tenant"),
        (status = 422, description = "No address"), (status = 401, description = "No admin token")))]
pub(super) async fn check_policy(
    State(admin): State<Admin>,
    ApiQuery(query): ApiQuery<PolicyQuery>,
) -> Result<Json<policy::Judged>, ApiError> {
    let wrong = |code, message| ApiError::from(ErrorBody::new(code, message));
    let found = admin.policies.borrow().find(query.tenant.as_deref()).cloned();
    let found = found.ok_or_else(|| wrong(ErrorCode::NotFound, "There is no such tenant."))?;
    let judged = policy::judge(&found, &query.address);
    let told = "`address` must be an IP address, with or without a port.";
    Ok(Json(judged.ok_or_else(|| wrong(ErrorCode::Invalid, told))?))
}

/// Refuses new allocations from now on; those that are live on.
#[utoipa::path(post, path = "/v1/admin/turn/drain", tag = "admin",
    responses((status = 204), (status = 401, description = "No admin token")))]
pub(super) async fn drain(State(admin): State<Admin>) -> axum::http::StatusCode {
    admin.relay.drain().await;
    axum::http::StatusCode::NO_CONTENT
}
