//! Where a rule does not hold, and why. An exception that nothing needs is itself a finding.

use super::Rule;
use crate::finding::Finding;

/// The rule, a file, and the reason.
const EXCEPTIONS: &[(Rule, &str, &str)] = &[
    (
        Rule::Places,
        "crates/postgres/src/installation.rs",
        "looks for programs where PATH says; nothing else of the environment matters to it",
    ),
    (Rule::Names, "xtask/src/tidy/names.rs", "its tests show what it finds"),
    (Rule::Places, "xtask/src/tidy/places.rs", "its table names what it finds"),
    (Rule::Places, "server/src/health.rs", "asks the database whether it is there"),
];

/// What is left when the exceptions are taken out.
pub(super) fn sift(findings: Vec<(Rule, Finding)>) -> Vec<Finding> {
    let excused = |rule: Rule, place: &str| {
        EXCEPTIONS.iter().position(|(kind, path, _)| *kind == rule && *path == place)
    };
    let mut needed = vec![false; EXCEPTIONS.len()];
    let mut left = Vec::new();
    for (rule, finding) in findings {
        match excused(rule, &finding.place).and_then(|index| needed.get_mut(index)) {
            Some(needed) => *needed = true,
            None => left.push(finding),
        }
    }
    let unneeded = EXCEPTIONS.iter().zip(needed).filter(|(_, needed)| !needed);
    left.extend(unneeded.map(|((rule, path, _), _)| Finding {
        place: (*path).to_owned(),
        line: 0,
        problem: format!("needs no exception from {rule:?} any more: remove it from the list"),
    }));
    left
}
