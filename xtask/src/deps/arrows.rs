//! The picture in ARCHITECTURE.md as a table: who imports whom.

use super::graph::Graph;
use crate::finding::Finding;

/// Every crate of the workspace and the ones among them it may import outside its tests.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "confer",
        &[
            "confer-accounts",
            "confer-auth",
            "confer-bus",
            "confer-chat",
            "confer-http",
            "confer-inprocess",
            "confer-postgres",
            "confer-protocol",
            "confer-sfu-core",
            "confer-sfu-net",
            "confer-signaling-core",
            "confer-signaling-net",
            "confer-telemetry",
            "confer-turn-core",
            "confer-turn-net",
        ],
    ),
    ("confer-accounts", &["confer-auth", "confer-http", "confer-protocol", "confer-telemetry"]),
    ("confer-auth", &["confer-protocol"]),
    ("confer-bus", &["confer-telemetry"]),
    (
        "confer-chat",
        &["confer-auth", "confer-bus", "confer-http", "confer-protocol", "confer-telemetry"],
    ),
    ("confer-headless", &["confer-protocol"]),
    ("confer-http", &["confer-auth", "confer-protocol"]),
    ("confer-inprocess", &[]),
    // Signs tokens as an application's back end does, and speaks TURN as a client does.
    ("confer-loadtest", &["confer-auth", "confer-headless", "confer-protocol", "confer-turn-core"]),
    ("confer-postgres", &[]),
    ("confer-protocol", &[]),
    ("confer-sfu-core", &["confer-auth", "confer-protocol"]),
    (
        "confer-sfu-net",
        &[
            "confer-bus",
            "confer-inprocess",
            "confer-protocol",
            "confer-sfu-core",
            "confer-telemetry",
        ],
    ),
    ("confer-signaling-core", &["confer-auth", "confer-protocol"]),
    (
        "confer-signaling-net",
        &[
            "confer-auth",
            "confer-bus",
            "confer-http",
            "confer-protocol",
            "confer-signaling-core",
            "confer-telemetry",
        ],
    ),
    ("confer-telemetry", &[]),
    ("confer-testdb", &[]),
    ("confer-turn-core", &["confer-auth", "confer-protocol"]),
    (
        "confer-turn-net",
        &[
            "confer-bus",
            "confer-inprocess",
            "confer-protocol",
            "confer-telemetry",
            "confer-turn-core",
        ],
    ),
    ("xtask", &["confer-postgres"]),
];

/// Crates that decide and never act, and what acting needs.
const CORES: [&str; 5] = [
    "confer-auth",
    "confer-protocol",
    "confer-sfu-core",
    "confer-signaling-core",
    "confer-turn-core",
];
const ACTING: [&str; 8] =
    ["async-std", "axum", "hyper", "mio", "redis", "reqwest", "sqlx", "tokio"];

/// Other people's media engines: peers for tests, never parts of the product.
const PEERS: [&str; 5] = ["rtc", "str0m", "turn", "turn-client-proto", "webrtc"];

/// Crates that exist for tests and never reach the binary.
const TESTS_ONLY: [&str; 2] = ["confer-headless", "confer-testdb"];

pub(super) fn check(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in graph.members() {
        let mut find = |problem: String| {
            findings.push(Finding { place: package.name.clone(), line: 0, problem });
        };
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package.name) else {
            find("is not in the table of arrows (xtask/src/deps/arrows.rs)".to_owned());
            continue;
        };
        for import in graph.imports(package) {
            if !allowed.contains(&import) {
                find(format!("may not import `{import}`"));
            }
        }
        if let Some(import) = graph.test_imports(package).iter().find(|name| **name == "confer") {
            find(format!("may not import `{import}`, not even in tests"));
        }
        let closure = graph.closure(package);
        let banned: &[&str] = match package.name.as_str() {
            core if CORES.contains(&core) => &ACTING,
            "confer" => &PEERS,
            _ => &[],
        };
        for name in banned.iter().filter(|name| closure.contains(*name)) {
            find(format!("needs `{name}`, which it never may, directly or not"));
        }
        if package.name == "confer" {
            for name in TESTS_ONLY.iter().filter(|name| closure.contains(*name)) {
                find(format!("needs `{name}`, which is for tests"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(name: &str) -> serde_json::Value {
        json!({"id": name, "name": name, "version": "1.0.0", "dependencies": []})
    }

    fn needs(name: &str, needed: &str, kind: Option<&str>) -> serde_json::Value {
        json!({"id": name, "deps": [{"pkg": needed, "dep_kinds": [{"kind": kind}]}]})
    }

    fn problems(nodes: &[serde_json::Value]) -> Vec<String> {
        let names = ["confer-sfu-core", "confer-chat", "tokio", "between"];
        let metadata = json!({
            "workspace_members": names[..2],
            "packages": names.map(package),
            "resolve": {"nodes": nodes},
        });
        let graph = Graph::read(&metadata).expect("it has the right shape");
        check(&graph).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn a_core_never_needs_what_acts_however_far_away() {
        let direct = [needs("confer-sfu-core", "tokio", None)];
        assert_eq!(problems(&direct).len(), 1);
        let far = [needs("confer-sfu-core", "between", None), needs("between", "tokio", None)];
        assert_eq!(problems(&far).len(), 1);
        let test = [needs("confer-sfu-core", "tokio", Some("dev"))];
        assert_eq!(problems(&test), Vec::<String>::new());
    }

    #[test]
    fn arrows_that_are_not_in_the_picture_are_found() {
        let wrong = [needs("confer-chat", "confer-sfu-core", None)];
        assert_eq!(problems(&wrong), ["confer-chat: may not import `confer-sfu-core`"]);
        let test = [needs("confer-chat", "confer-sfu-core", Some("dev"))];
        assert_eq!(problems(&test), Vec::<String>::new());
    }
}
