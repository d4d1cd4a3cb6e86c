//! The configuration as pages: the manual `docs/config.md`, and what is in force now.

use std::fmt::Write;

use super::Settings;
use super::error::Origin;
use super::layers::Layered;
use super::section::{Field, full_key, variable};

const INTRODUCTION: &str = include_str!("introduction.md");

/// The whole of `docs/config.md`.
pub(crate) fn manual() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in Settings::default().sections() {
        let heading = match section.name() {
            "" => "Top level".to_owned(),
            name => format!("`[{name}]`"),
        };
        push(&mut page, format_args!("\n## {heading}\n\n{}\n", lead(&paragraphs(section.doc()))));
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

/// A section's doc comment without the name that the heading has already said.
fn lead(text: &str) -> String {
    let said = text.split_once("`: ").map_or(text, |(_, rest)| rest);
    let mut letters = said.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_setting_that_a_page_names_exists() {
        let settings = Settings::default();
        let sections = settings.sections();
        let keys: BTreeSet<String> = sections
            .iter()
            .flat_map(|section| {
                let fields = section.fields();
                fields.into_iter().map(|field| full_key(section.name(), &field.key))
            })
            .collect();
        let named: BTreeSet<&str> = sections.iter().map(|section| section.name()).collect();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found = 0;
        for page in ["README.md", "SECURITY.md", "docs/turn.md", "docs/running-turn.md"] {
            let text = std::fs::read_to_string(root.join(page)).expect("it is in the repository");
            // Every second piece stands between backticks.
            for code in text.split('`').skip(1).step_by(2) {
                let key = code.split([' ', '=']).next().unwrap_or_default();
                let Some((section, name)) = key.split_once('.') else { continue };
                let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
                if named.contains(section) && !name.is_empty() && name.chars().all(is_name) {
                    assert!(keys.contains(key), "{page} names `{key}`, which is no setting");
                    found += 1;
                }
            }
        }
        assert!(found > 30, "{found} of the pages' settings were recognised");
    }
}
