//! Some things stand in one place only.

use super::source::Source;
use crate::finding::Finding;

/// What, where it may stand, and why nowhere else.
const PLACES: [(&str, &[&str], &str); 4] = [
    (
        "sqlx::query",
        &["chat/src/sql/", "crates/accounts/src/sql/", "crates/testdb/"],
        "SQL stands in the `sql` folders of chat and accounts",
    ),
    ("redis::", &["crates/bus/src/", "crates/testdb/"], "Redis stands in the bus"),
    (
        "std::env::",
        &["server/src/", "xtask/", "loadtest/", "crates/testdb/"],
        "only the binary reads arguments and environment",
    ),
    (
        "SystemTime::now",
        &["server/src/clock.rs", "xtask/", "loadtest/"],
        "only server/src/clock.rs reads wall time",
    ),
];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    if !source.is_rust() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, code) in source.product_code() {
        for (what, places, why) in PLACES {
            let allowed = places.iter().any(|place| source.path.starts_with(place));
            if code.contains(what) && !allowed {
                let problem = format!("`{what}` here: {why}");
                findings.push(Finding { place: source.path.clone(), line: number, problem });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_stands_in_its_folders() {
        let text = "sqlx::query(\"SELECT 1\")";
        assert_eq!(check(&Source::new("chat/src/sql/message.rs", text)).len(), 0);
        assert_eq!(check(&Source::new("chat/src/room.rs", text)).len(), 1);
        assert_eq!(check(&Source::new("chat/tests/chat/main.rs", text)).len(), 0);
    }
}
