//! `sdk/js/src/protocol.gen.ts` says what the Rust types say.
//!
//! `UPDATE_GENERATED=1 cargo test -p confer-protocol --test typescript` writes the file; without
//! the variable a stale file fails the test. `make gen` does the former.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use confer_protocol::chat::{Change, Conversation};
use confer_protocol::client::{ClientFrame, Request};
use confer_protocol::error::{CloseCode, ErrorCode};
use confer_protocol::rest;
use confer_protocol::room::TrackSource;
use confer_protocol::server::ServerFrame;
use confer_protocol::{API_PREFIX, BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL};
use ts_rs::{Config, TS, TypeVisitor};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/js/src/protocol.gen.ts");

#[test]
fn the_committed_typescript_is_what_the_types_generate() {
    let generated = generate();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        let path = Path::new(PATH);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("writable");
        std::fs::write(path, &generated).expect("writable");
    }
    let committed = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        committed == generated,
        "sdk/js/src/protocol.gen.ts is stale: run `make gen` and commit the result",
    );
}

fn generate() -> String {
    let mut out = Output { cfg: Config::new(), declarations: BTreeMap::new() };

    out.visit::<Request>();
    out.visit::<ClientFrame>();
    out.visit::<ServerFrame>();
    out.visit::<rest::Problem>();
    out.visit::<rest::RegisterRequest>();
    out.visit::<rest::LoginRequest>();
    out.visit::<rest::GuestRequest>();
    out.visit::<rest::TokenResponse>();
    out.visit::<rest::Me>();
    out.visit::<rest::CreateRoomRequest>();
    out.visit::<rest::RoomList>();
    out.visit::<rest::ConversationList>();
    out.visit::<rest::CreateInviteRequest>();
    out.visit::<rest::Invite>();
    out.visit::<rest::InvitePreview>();
    out.visit::<rest::OpenDirectRequest>();
    out.visit::<rest::MarkRequest>();
    out.visit::<rest::EventPage>();
    out.visit::<Conversation>();
    out.visit::<Change>();

    let mut text = String::from("// Generated from crates/protocol by `make gen`. Do not edit.\n");
    write_constants(&mut text);
    for declaration in out.declarations.values() {
        text.push('\n');
        text.push_str(declaration);
    }
    text
}

/// What TypeScript cannot take from types alone.
fn write_constants(text: &mut String) {
    let mut constant = |name: &str, value: String| {
        writeln!(text, "\nexport const {name} = {value} as const;").expect("a string takes text");
    };
    constant("SUBPROTOCOL", quoted(SUBPROTOCOL));
    constant("BEARER_SUBPROTOCOL_PREFIX", quoted(BEARER_SUBPROTOCOL_PREFIX));
    constant("API_PREFIX", quoted(API_PREFIX));
    constant("TRACK_SOURCES", json_list(&TrackSource::ALL));
    constant("ERROR_CODES", json_list(ErrorCode::ALL));

    let mut codes = String::from("{\n");
    for code in CloseCode::ALL {
        writeln!(codes, "  {code:?}: {},", code.code()).expect("a string takes text");
    }
    codes.push('}');
    constant("CLOSE_CODES", codes);

    let again: Vec<u16> =
        CloseCode::ALL.iter().filter(|code| code.reconnect()).map(|code| code.code()).collect();
    text.push_str("\n/** Close codes after which a client opens another socket. */");
    writeln!(
        text,
        "\nexport const RECONNECT_CLOSE_CODES: readonly number[] = {};",
        serde_json::to_string(&again).expect("numbers are JSON").replace(',', ", ")
    )
    .expect("a string takes text");
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn json_list<T: serde::Serialize>(items: &[T]) -> String {
    let mut list = String::from("[\n");
    for item in items {
        let item = serde_json::to_string(item).expect("an enum is JSON");
        writeln!(list, "  {item},").expect("a string takes text");
    }
    list.push(']');
    list
}

/// Collects declarations by name: the order in which dependencies are visited is not stable.
struct Output {
    cfg: Config,
    declarations: BTreeMap<String, String>,
}

impl TypeVisitor for Output {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        let name = T::name(&self.cfg);
        if T::output_path().is_none() || self.declarations.contains_key(&name) {
            return;
        }
        let mut declaration = T::decl(&self.cfg);
        if name != "Request" {
            declaration = declaration.replace(&Request::inline(&self.cfg), "Request");
        }
        if name != "Change" {
            declaration = declaration.replace(&Change::inline(&self.cfg), "Change");
        }
        let docs = T::docs().unwrap_or_default();
        let text = format!("{docs}export {}\n", broken_into_lines(&declaration));
        self.declarations.insert(name, text);
        T::visit_dependencies(self);
    }
}

const WIDTH: usize = 90;

fn is_short(text: &str) -> bool {
    text.len() <= WIDTH && !text.contains('\n')
}

/// Puts each member of an object and each variant of a union on its own line, so that a change of
/// the wire reads as a diff of few lines.
fn broken_into_lines(declaration: &str) -> String {
    if is_short(declaration) {
        return declaration.to_owned();
    }
    let (head, body) = declaration.split_once(" = ").expect("a declaration has a body");
    let mut out = format!("{head} = ");
    let variants = split_union(body.trim_end_matches(';'));
    if let [only] = variants.as_slice() {
        break_objects(&mut out, only, 0);
    } else {
        for variant in variants {
            new_line(&mut out, 1);
            out.push_str("| ");
            break_objects(&mut out, variant, 1);
        }
    }
    out.push(';');
    out
}

/// The variants of a union, split where a `|` stands outside of all brackets.
fn split_union(body: &str) -> Vec<&str> {
    let (mut depth, mut from, mut variants) = (0_usize, 0, Vec::new());
    for (at, character) in body.char_indices() {
        match character {
            '{' | '(' | '<' => depth += 1,
            '}' | ')' | '>' => depth -= 1,
            '|' if depth == 0 => {
                variants.push(body[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    variants.push(body[from..].trim());
    variants
}

fn break_objects(out: &mut String, text: &str, mut depth: usize) {
    let mut brackets: Vec<char> = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let mut taken = next.len_utf8();
        match next {
            '"' => {
                taken = 2 + rest[1..].find('"').expect("strings are closed");
                out.push_str(&rest[..taken]);
            }
            '/' if rest.starts_with("/**") => {
                taken = 2 + rest.find("*/").expect("comments are closed");
                for line in rest[..taken].lines() {
                    new_line(out, depth);
                    out.push_str(line);
                }
                new_line(out, depth);
            }
            '{' => {
                let group = &rest[..group_length(rest)];
                if is_short(group) {
                    taken = group.len();
                    out.push_str(group);
                } else {
                    depth += 1;
                    brackets.push(next);
                    out.push(next);
                    new_line(out, depth);
                }
            }
            '}' => {
                depth -= 1;
                brackets.pop();
                new_line(out, depth);
                out.push(next);
            }
            '<' => {
                brackets.push(next);
                out.push(next);
            }
            '>' => {
                brackets.pop();
                out.push(next);
            }
            ',' if brackets.last() == Some(&'{') => {
                out.push(next);
                new_line(out, depth);
            }
            ' ' | '\n' => {
                if !out.ends_with([' ', '\n']) {
                    out.push(' ');
                }
            }
            other => out.push(other),
        }
        rest = &rest[taken..];
    }
}

fn new_line(out: &mut String, depth: usize) {
    out.truncate(out.trim_end().len());
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

/// How long the object at the start of `text` is, braces included.
fn group_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}
