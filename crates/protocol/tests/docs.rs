//! `docs/protocol.md` quotes the golden files and lists every code.
//!
//! `UPDATE_GENERATED=1 cargo test -p confer-protocol --test docs` fills in what is quoted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use confer_protocol::error::{CloseCode, ErrorCode};

const GOLDEN: &str = "<!-- golden: ";
const GENERATED: &str = "<!-- generated: ";
const END: &str = " -->";

#[test]
fn the_protocol_page_shows_every_message_as_its_golden_file_and_every_code() {
    let page = root().join("docs/protocol.md");
    let text = fs::read_to_string(&page).expect("the page is there");
    let filled = fill(&text);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&page, &filled).expect("writable");
    }
    let committed = fs::read_to_string(&page).expect("the page is there");
    assert!(committed == filled, "docs/protocol.md is stale: run `make gen` and commit the result");
    check_every_message_is_shown(&committed);
}

fn check_every_message_is_shown(text: &str) {
    let shown: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix(GOLDEN)?.strip_suffix(END))
        .map(str::to_owned)
        .collect();
    let mut missing = Vec::new();
    for folder in ["client", "server"] {
        for entry in fs::read_dir(golden().join(folder)).expect("the folder is there") {
            let path = entry.expect("readable").path();
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            let name = format!("{folder}/{name}");
            // Errors are alike: the table has them.
            if !name.starts_with("server/error_") && !shown.contains(&name) {
                missing.push(name);
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The page with every quotation as it should be.
fn fill(page: &str) -> String {
    let mut out = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let wanted = if let Some(name) = marker(line, GOLDEN) {
            let file = golden().join(format!("{name}.json"));
            let json =
                fs::read_to_string(&file).unwrap_or_else(|_| panic!("no {}", file.display()));
            format!("```json\n{}\n```\n", compact(json.trim_end(), 0))
        } else if let Some(name) = marker(line, GENERATED) {
            match name {
                "errors" => errors(),
                "close codes" => close_codes(),
                other => panic!("nothing generates {other}"),
            }
        } else {
            continue;
        };
        // What stands there now: a fenced block or a table, up to the next empty line outside.
        let mut fenced = false;
        while let Some(old) = lines.next_if(|old| fenced || !old.is_empty()) {
            if old.starts_with("```") {
                fenced = !fenced;
            }
        }
        out.push_str(&wanted);
    }
    out
}

/// Pretty JSON with everything on one line that fits there.
fn compact(json: &str, indent: usize) -> String {
    const WIDTH: usize = 110;
    let one_line = on_one_line(json);
    let is_group = json.starts_with(['{', '[']);
    if !is_group || indent + one_line.len() <= WIDTH {
        return one_line;
    }
    let (open, close) = json.split_at(1);
    let (inner, close) = close.split_at(close.len() - 1);
    let margin = " ".repeat(indent + 2);
    let members: Vec<String> = members(inner)
        .into_iter()
        .map(|member| {
            let (key, value) = match member.split_once("\": ") {
                Some((key, value)) if member.starts_with('"') => (format!("{key}\": "), value),
                _ => (String::new(), member),
            };
            let value = compact(value, indent + 2);
            format!("{margin}{key}{value}")
        })
        .collect();
    format!("{open}\n{}\n{}{close}", members.join(",\n"), " ".repeat(indent))
}

/// Pretty JSON never breaks a line inside of a string.
fn on_one_line(json: &str) -> String {
    let joined = json.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    joined.replace("{ ", "{").replace(" }", "}").replace("[ ", "[").replace(" ]", "]")
}

/// The members of a group, split at its own commas.
fn members(inner: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped, mut from) = (0_usize, false, false, 0);
    let mut members = Vec::new();
    for (at, character) in inner.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => {
                members.push(inner[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    members.push(inner[from..].trim());
    members
}

fn marker<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix(END)
}

fn errors() -> String {
    let mut table = String::from("| Code | HTTP | Meaning |\n| --- | --- | --- |\n");
    for code in ErrorCode::ALL {
        let name = serde_json::to_value(code).expect("an enum is JSON");
        let name = name.as_str().expect("a code is a string");
        let (status, meaning) = (code.http_status(), code.meaning());
        writeln!(table, "| `{name}` | {status} | {meaning} |").expect("a string takes text");
    }
    table
}

fn close_codes() -> String {
    let mut table =
        String::from("| Code | Name | Reconnect | Meaning |\n| --- | --- | --- | --- |\n");
    for code in CloseCode::ALL {
        let reconnect = if code.reconnect() { "yes" } else { "no" };
        let (number, meaning) = (code.code(), code.meaning());
        writeln!(table, "| {number} | {code:?} | {reconnect} | {meaning} |")
            .expect("a string takes text");
    }
    table
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
