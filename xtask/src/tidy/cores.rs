//! Cores decide, shells act: a core holds no lock, starts nothing, and touches no clock, chance,
//! file, socket or environment.

use super::source::Source;
use crate::finding::Finding;

/// Where only decisions are made.
const CORES: [&str; 5] = [
    "crates/auth/src/",
    "crates/protocol/src/",
    "sfu/core/src/",
    "signaling/core/src/",
    "turn/core/src/",
];

/// What acts, and what a core does instead.
const FORBIDDEN: [(&str, &str); 23] = [
    ("Mutex", "state has one owner"),
    ("RwLock", "state has one owner"),
    ("Condvar", "state has one owner"),
    ("OnceLock", "state has one owner"),
    ("LazyLock", "state has one owner"),
    ("thread_local!", "state has one owner"),
    ("static mut", "state has one owner"),
    ("thread::", "its shell has the threads"),
    ("::spawn", "its shell has the tasks"),
    ("mpsc", "it returns outputs"),
    ("Instant::now", "`now` is an argument"),
    ("SystemTime", "`now` is an argument"),
    ("now_utc", "`now` is an argument"),
    ("now_v7", "ids are made outside"),
    ("new_v4", "ids are made outside"),
    ("rand::random", "randomness is an argument"),
    ("rand::rng(", "randomness is an argument"),
    ("std::fs", "its shell reads files"),
    ("std::env", "its shell reads the environment"),
    ("UdpSocket", "its shell has the sockets"),
    ("TcpStream", "its shell has the sockets"),
    ("TcpListener", "its shell has the sockets"),
    ("println!", "its shell writes"),
];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    if !CORES.iter().any(|core| source.path.starts_with(core)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, code) in source.product_code() {
        for (what, instead) in FORBIDDEN {
            if code.contains(what) {
                let problem = format!("`{what}` in a core: {instead}");
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
    fn a_core_touches_nothing_but_its_tests_may() {
        let text = "let now = Instant::now();\n#[cfg(test)]\nmod tests { use std::sync::Mutex; }\n";
        assert_eq!(check(&Source::new("sfu/core/src/shard.rs", text)).len(), 1);
        assert_eq!(check(&Source::new("sfu/net/src/driver.rs", text)).len(), 0);
        assert_eq!(check(&Source::new("sfu/core/tests/world.rs", text)).len(), 0);
    }
}
