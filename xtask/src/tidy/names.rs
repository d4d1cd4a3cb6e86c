//! Names that say nothing.

use super::source::Source;
use crate::finding::Finding;

/// A type that is one of these has not been understood yet.
const EMPTY_WORDS: [&str; 6] = ["Manager", "Util", "Utils", "Helper", "Helpers", "Common"];
/// Files that collect what has no place.
const EMPTY_FILES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "misc", "manager"];
/// What the standard library calls `get_` too, because the rest alone is no name.
const CONVENTIONS: [&str; 2] = ["get_mut", "get_ref"];
/// What is followed by a type's name.
const DEFINITIONS: [&str; 6] = ["struct", "enum", "trait", "type", "class", "interface"];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |line, problem: String| {
        findings.push(Finding { place: source.path.clone(), line, problem });
    };
    let file = source.path.rsplit('/').next().unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    if EMPTY_FILES.contains(&stem) {
        find(0, format!("`{stem}` says nothing about what is inside"));
    }
    for (number, line) in source.lines() {
        let words: Vec<&str> = line
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            let [keyword, name] = pair else { continue };
            if DEFINITIONS.contains(keyword) && EMPTY_WORDS.iter().any(|word| name.ends_with(word))
            {
                find(number, format!("`{name}` says nothing about what it is"));
            }
            let getter = name.starts_with("get_") && !CONVENTIONS.contains(name);
            if source.is_rust() && *keyword == "fn" && getter {
                find(number, format!("`{name}` is called `{}`", &name[4..]));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    #[test]
    fn empty_names_are_found_where_they_are_defined() {
        assert_eq!(problems("a/src/room.rs", "pub struct RoomManager {}"), 1);
        assert_eq!(problems("a/src/room.rs", "pub(crate) fn get_room(&self) {}"), 1);
        assert_eq!(problems("a/src/utils.rs", ""), 1);
        assert_eq!(problems("a/src/room.rs", "use other::RoomManager; fn get_mut(&mut self)"), 0);
        assert_eq!(problems("web/src/api.ts", "class FetchHelper {}"), 1);
    }
}
