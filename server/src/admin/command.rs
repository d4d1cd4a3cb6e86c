//! `confer turn …`: the routes, for somebody at a terminal.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{policy, socket};
use crate::assemble::relay::Shape;
use crate::cli::TurnCommand;
use crate::config::{Config, ConfigError};

/// Why a command did not do what it says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("the configuration is wrong")]
    Configuration(Vec<ConfigError>),
    #[error(
        "no relay answers at {}; start it with `confer serve`, and name its --data-dir here if it \
         is not the usual one", path.display()
    )]
    NotRunning {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the server broke off")]
    Broken(#[from] hyper::Error),
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("the server answered what this version does not understand")]
    NotUnderstood(#[from] serde_json::Error),
    #[error("{0:?} is no tenant of turn.tenants-file")]
    NoTenant(String),
    #[error("{0:?} is no IP address, with or without a port")]
    NoAddress(String),
}

/// Carries out a command; gives what to print.
pub(crate) async fn run(
    command: &TurnCommand,
    data_dir: &Path,
    config: impl Fn() -> Result<Config, Vec<ConfigError>>,
) -> Result<String, CommandError> {
    match command {
        TurnCommand::Sessions { user, json } => {
            let query = user.as_ref().map(|user| format!("?user={}", escaped(user)));
            let path = format!("/v1/admin/turn/sessions{}", query.unwrap_or_default());
            let found = ask(data_dir, Method::GET, &path, None).await?;
            Ok(if *json { format!("{found:#}\n") } else { table(&found) })
        }
        TurnCommand::Kick { user } => {
            let body = serde_json::json!({ "user": user });
            let told = ask(data_dir, Method::POST, "/v1/admin/turn/kick", Some(&body)).await?;
            Ok(match told["ended"].as_u64() {
                Some(1) => "1 allocation ended.\n".to_owned(),
                ended => format!("{} allocations ended.\n", ended.unwrap_or_default()),
            })
        }
        TurnCommand::CheckPolicy { addresses, tenant } => {
            let config = config().map_err(CommandError::Configuration)?;
            let tenant = tenant.as_deref();
            let core = Shape::of(&config).core(&config).await;
            let policies = policy::Policies::of(&core.credentials);
            let no_tenant = || CommandError::NoTenant(tenant.unwrap_or_default().to_owned());
            let found = policies.find(tenant).ok_or_else(no_tenant)?;
            let mut text = String::new();
            for address in addresses {
                let judged = policy::judge(found, address)
                    .ok_or_else(|| CommandError::NoAddress(address.clone()))?;
                let verdict = if judged.permitted { "permitted" } else { "refused  " };
                let means = judged.canonical.map(|means| format!(" (that is {means})"));
                let means = means.unwrap_or_default();
                // `write!` into a String cannot fail.
                let _ = writeln!(text, "{verdict}  {address}{means}: {}", judged.why);
            }
            Ok(text)
        }
        TurnCommand::Drain => {
            ask(data_dir, Method::POST, "/v1/admin/turn/drain", None).await?;
            Ok("New allocations are refused from now on; those that are live on.\n".to_owned())
        }
        TurnCommand::Events => {
            let mut answer = send(data_dir, Method::GET, "/v1/admin/turn/events", None).await?;
            // A line may come in parts.
            let mut read = Vec::new();
            while let Some(frame) = answer.frame().await {
                read.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
                while let Some(end) = read.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = read.drain(..=end).collect();
                    if let Some(event) = line.strip_prefix(b"data: ") {
                        crate::print(&crate::harmless(&String::from_utf8_lossy(event)));
                    }
                }
            }
            Ok(String::new())
        }
    }
}

async fn ask(
    data_dir: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, CommandError> {
    let answer = send(data_dir, method, path, body).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        return Err(CommandError::Refused(String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes)? })
}

async fn send(
    data_dir: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Response<Incoming>, CommandError> {
    let socket = socket::path(data_dir);
    let stream = UnixStream::connect(&socket).await;
    let stream = stream.map_err(|cause| CommandError::NotRunning { path: socket, cause })?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "control")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("every part of it is valid");
    Ok(sender.send_request(request).await?)
}

/// A name as it stands in a query (RFC 3986, section 2.1).
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if plain(byte) {
            escaped.push(byte.into());
        } else {
            // As above.
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

fn table(found: &Value) -> String {
    let rows = found["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "There are no allocations.\n".to_owned();
    }
    let text = |row: &Value, key: &str| match &row[key] {
        // Whoever makes credentials chooses the names, and the operator's terminal obeys some letters.
        Value::String(text) => text.replace(char::is_control, "\u{FFFD}"),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let columns = [
        ("USER", "username"),
        ("OVER", "transport"),
        ("CLIENT", "client"),
        ("RELAYED", "relayed"),
        ("EXPIRES IN", "expires_in_seconds"),
        ("SENT", "sent_bytes"),
        ("RECEIVED", "received_bytes"),
    ];
    let cells: Vec<[String; 7]> =
        rows.iter().map(|row| columns.map(|(_, key)| text(row, key))).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            let longest = cells.iter().map(|row| row[at].len()).max().unwrap_or_default();
            longest.max(columns[at].0.len())
        })
        .collect();
    let mut page = String::new();
    let heads = columns.map(|(head, _)| head.to_owned());
    for row in std::iter::once(&heads).chain(&cells) {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(page, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    let total = found["total"].as_u64().unwrap_or_default();
    if total > rows.len() as u64 {
        let _ = writeln!(page, "… and {} more; see --user", total - rows.len() as u64);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_says_when_there_is_nothing() {
        assert!(
            table(&serde_json::json!({ "sessions": [], "total": 0 })).contains("no allocations")
        );
        let one = serde_json::json!({ "total": 3, "sessions": [{
            "username": "alice", "transport": "udp", "client": "192.0.2.1:4", "relayed": ["192.0.2.9:5"],
            "expires_in_seconds": 600, "sent_bytes": 1, "received_bytes": 2 }] });
        let page = table(&one);
        let lines: Vec<&str> = page.lines().collect();
        assert_eq!(lines[0].find("OVER"), lines[1].find("udp"));
        assert!(lines[2].contains("2 more"), "{page}");
        assert_eq!(escaped("a/b c"), "a%2Fb%20c");
    }

    #[test]
    fn a_name_does_not_command_the_terminal() {
        let named =
            serde_json::json!({ "total": 1, "sessions": [{ "username": "1:\u{1b}[2J\u{9b}m\n" }] });
        let page = table(&named);
        assert!(page.contains("1:\u{FFFD}[2J\u{FFFD}m\u{FFFD}"), "{page:?}");
        assert_eq!(page.lines().count(), 2);
    }
}
