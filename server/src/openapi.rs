//! The description of every HTTP route, made of what the parts say about theirs.

use axum::Json;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

/// The routes that belong to no part.
#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "confer",
    description = "Accounts, rooms and chat over HTTP. Calls and live chat go over the WebSocket \
                   of `GET /v1/connect`, which docs/protocol.md describes."
))]
struct Server;

/// The whole document.
pub(crate) fn document() -> OpenApi {
    let mut document = Server::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.merge(confer_accounts::openapi());
    document.merge(confer_chat::openapi());
    document.merge(crate::admin::openapi());
    document
}

/// `GET /openapi.json`
pub(crate) async fn openapi() -> Json<OpenApi> {
    Json(document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_docs_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
        let text = document().to_pretty_json().expect("a document is JSON") + "\n";
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(path, &text).expect("docs/openapi.json can be written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == text, "docs/openapi.json is stale: run `make gen`");
    }
}
