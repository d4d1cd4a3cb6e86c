//! The web app, carried in the binary.
//!
//! Files under `assets/` have their content's hash in their names, so browsers may keep them for
//! ever; everything else is checked again by its ETag. A path that is no file belongs to the app's
//! own router, which lives in `index.html`.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use confer_http::ApiError;
use confer_protocol::error::{ErrorBody, ErrorCode};

/// One file of the built app.
struct Asset {
    path: &'static str,
    bytes: &'static [u8],
    etag: &'static str,
}

/// Sorted by path.
static ASSETS: &[Asset] = &include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const INDEX: &str = "index.html";
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const CHECK_AGAIN: &str = "no-cache";

const NOT_BUILT: &str = "The web app was not built into this server: run `make web`, then build it \
                         again. The API under /v1 works without it.\n";

/// Answers what no other route does.
pub(crate) async fn fallback(request: Request) -> Response {
    let path = request.uri().path();
    if is_api(path) {
        let message = format!("There is nothing at {} {path}.", request.method());
        return ApiError::from(ErrorBody::new(ErrorCode::NotFound, message)).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    answer(ASSETS, path, request.headers())
}

fn is_api(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

fn answer(assets: &[Asset], path: &str, headers: &HeaderMap) -> Response {
    let name = path.trim_start_matches('/');
    let find = |name: &str| {
        let at = assets.binary_search_by(|asset| asset.path.cmp(name)).ok()?;
        assets.get(at)
    };
    // A missing file is a 404, not the app: a page that asks for an old script must not get HTML.
    let asset = find(name).or_else(|| if is_file(name) { None } else { find(INDEX) });
    let Some(asset) = asset else {
        let missing = if assets.is_empty() { NOT_BUILT } else { "There is no such file.\n" };
        return (StatusCode::NOT_FOUND, missing).into_response();
    };

    let cache = if asset.path.starts_with("assets/") { FOR_EVER } else { CHECK_AGAIN };
    let caching = [
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::ETAG, HeaderValue::from_static(asset.etag)),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|tag| same_tag(tag, asset.etag))) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type(asset.path)))];
    (caching, kind, asset.bytes).into_response()
}

/// Compares weakly, because compression on the way turns our tag into a weak one.
fn same_tag(known: &str, etag: &str) -> bool {
    let known = known.trim();
    known.strip_prefix("W/").unwrap_or(known) == etag
}

fn is_file(name: &str) -> bool {
    name.rsplit('/').next().is_some_and(|last| last.contains('.')) || name.starts_with("assets/")
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &[Asset] = &[
        Asset { path: "assets/app-1a2b.js", bytes: b"run()", etag: "\"aa\"" },
        Asset { path: "favicon.svg", bytes: b"<svg/>", etag: "\"bb\"" },
        Asset { path: "index.html", bytes: b"<html>", etag: "\"cc\"" },
    ];

    fn get(path: &str) -> Response {
        answer(BUILT, path, &HeaderMap::new())
    }

    fn header_of(response: &Response, name: header::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().expect("plain text"))
    }

    #[test]
    fn hashed_files_are_kept_for_ever_and_the_page_is_checked_again() {
        let script = get("/assets/app-1a2b.js");
        assert_eq!(header_of(&script, header::CACHE_CONTROL), FOR_EVER);
        assert_eq!(header_of(&script, header::CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_eq!(header_of(&get("/"), header::CACHE_CONTROL), CHECK_AGAIN);
    }

    #[test]
    fn paths_of_the_apps_router_get_its_page_and_missing_files_do_not() {
        for path in ["/", "/rooms/0190", "/i/abcdef"] {
            assert_eq!(header_of(&get(path), header::ETAG), "\"cc\"", "{path}");
        }
        for path in ["/assets/app-old.js", "/assets/none", "/robots.txt", "/../server"] {
            let expected =
                if path == "/../server" { StatusCode::OK } else { StatusCode::NOT_FOUND };
            assert_eq!(get(path).status(), expected, "{path}");
        }
    }

    #[test]
    fn a_known_tag_saves_the_body_even_when_compression_weakened_it() {
        for tag in ["\"cc\"", "W/\"cc\"", "\"x\", W/\"cc\""] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(tag));
            assert_eq!(answer(BUILT, "/", &headers).status(), StatusCode::NOT_MODIFIED, "{tag}");
        }
    }

    #[test]
    fn without_a_built_app_the_page_says_how_to_build_it() {
        assert_eq!(answer(&[], "/", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
        assert!(NOT_BUILT.contains("make web"));
    }

    #[test]
    fn the_table_is_sorted_so_that_searching_it_works() {
        assert!(ASSETS.is_sorted_by_key(|asset| asset.path));
    }
}
