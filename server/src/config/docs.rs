//! The configuration as pages: the manual `docs/config.md`, and what is in force now.

use std::fmt::Write;

use super::Settings;
use super::error::Origin;
use super::layers::Layered;
use super::section::{Field, full_key, variable};

const INTRODUCTION: &str = "\
<!-- Generated from server/src/config; `make gen` rewrites it. -->

# Configuration

Confer starts without any. What you do set is taken from four places, a later one wins:

1. the defaults below,
2. one TOML file: `--config FILE`, else the file `CONFER_CONFIG` names, else `confer.toml` in the
   data directory,
3. environment variables: `CONFER_`, the section and the key in capitals with `_`, such as
   `CONFER_HTTP_LISTEN`; lists are separated by commas. `DATABASE_URL` and `REDIS_URL` are read too,
4. flags: `--set http.listen=0.0.0.0:7880`, and short ones for what is needed most.

An unknown key is an error that names the nearest right one. Durations are written `\"30s\"`,
`\"15m\"`, `\"2h\"` or `\"7d\"`, sizes `\"64KiB\"` or `\"16MiB\"`. `confer config check` looks for mistakes without
starting anything; `confer config show` prints what is in force and where each value came from.
";

/// The whole of `docs/config.md`.
pub(crate) fn manual() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in Settings::default().sections() {
        let (heading, lead) = match section.name() {
            "" => ("Top level".to_owned(), section.doc()),
            name => (format!("`[{name}]`"), section.doc()),
        };
        push(&mut page, format_args!("\n## {heading}\n\n{}\n", paragraphs(lead)));
        for field in section.fields() {
            let key = full_key(section.name(), &field.key);
            push(&mut page, format_args!("\n### `{}`\n\n{}\n\n", field.key, paragraphs(field.doc)));
            let default = match &field.shown {
                Some(default) => format!("default `{default}`"),
                None => "not set by default".to_owned(),
            };
            let variable = variable(&key);
            push(&mut page, format_args!("{}; {default}; variable `{variable}`.\n", field.kind));
        }
    }
    page
}

/// What is in force, as a file that could be used, and where each value came from.
pub(crate) fn show(layered: &Layered) -> String {
    let mut text = String::new();
    for section in layered.settings.sections() {
        if !section.name().is_empty() {
            push(&mut text, format_args!("\n[{}]\n", section.name()));
        }
        for field in section.fields() {
            let origin = layered.origins.get(&full_key(section.name(), &field.key));
            push(&mut text, format_args!("{}\n", line(&field, origin.unwrap_or(&Origin::Default))));
        }
    }
    text
}

fn line(field: &Field, origin: &Origin) -> String {
    let from = match origin {
        Origin::Default => String::new(),
        Origin::File { .. } | Origin::Variable(_) | Origin::Flag(_) => format!("  # {origin}"),
    };
    match (&field.shown, field.secret, origin) {
        (_, true, origin) if *origin != Origin::Default => {
            format!("# {} is set and not shown{from}", field.key)
        }
        (Some(value), ..) => format!("{} = {value}{from}", field.key),
        (None, ..) => format!("# {} is not set", field.key),
    }
}

/// Doc comment lines as Markdown: one space off the front of each.
fn paragraphs(lines: &[&str]) -> String {
    let lines: Vec<&str> =
        lines.iter().map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    lines.join("\n")
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String takes everything");
}
