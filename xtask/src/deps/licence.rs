//! What others' code may be under, so that the product can be under Apache-2.0 OR MIT.

use super::graph::Graph;
use crate::finding::Finding;

/// Licences that ask for nothing but their notice.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(super) fn check(graph: &Graph) -> Vec<Finding> {
    let refused = graph.packages().filter_map(|package| {
        let problem = match package.licence.as_deref() {
            None => "names no licence".to_owned(),
            Some(licence) if permitted(licence) => return None,
            Some(licence) => format!("is under {licence}, which the product cannot be"),
        };
        let place = format!("{} {}", package.name, package.version);
        Some(Finding { place, line: 0, problem })
    });
    refused.collect()
}

/// Evaluates an SPDX expression: `OR` is a choice of ours, `AND` is not. `/` is an old `OR`.
fn permitted(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let answer = any(&mut rest);
    // What cannot be read to its end is not permitted.
    answer && rest.is_empty()
}

fn any(words: &mut &[&str]) -> bool {
    let mut answer = all(words);
    while take(words, "OR") {
        answer |= all(words);
    }
    answer
}

fn all(words: &mut &[&str]) -> bool {
    let mut answer = one(words);
    while take(words, "AND") {
        answer &= one(words);
    }
    answer
}

fn one(words: &mut &[&str]) -> bool {
    if take(words, "(") {
        let answer = any(words);
        return take(words, ")") && answer;
    }
    let Some((name, rest)) = words.split_first() else { return false };
    *words = rest;
    if take(words, "WITH")
        && let Some((exception, rest)) = words.split_first()
    {
        *words = rest;
        return ALLOWED.contains(&format!("{name} WITH {exception}").as_str());
    }
    ALLOWED.contains(name)
}

fn take(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_one_good_licence_and_a_sum_needs_all() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0-only OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
            "ISC AND (Apache-2.0 OR ISC)",
        ] {
            assert!(permitted(good), "{good}");
        }
        for bad in [
            "AGPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "(MIT OR GPL-3.0) AND LGPL-2.1",
            "Apache-2.0 WITH Some-exception",
            "(MIT",
            "MIT MIT",
            "",
        ] {
            assert!(!permitted(bad), "{bad}");
        }
    }
}
