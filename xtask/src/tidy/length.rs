//! A file is as long as a reader's patience.

use super::source::Source;
use crate::finding::Finding;

/// One concept.
const LINES_MAX: usize = 400;
/// Protocol code follows its standard's cut, and tests repeat themselves to stay readable.
const LONG_LINES_MAX: usize = 600;
/// Where protocol code stands.
const PROTOCOL: [&str; 4] = ["crates/protocol/", "sfu/core/", "signaling/core/", "turn/core/"];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let protocol = PROTOCOL.iter().any(|folder| source.path.starts_with(folder));
    let limit = if protocol || source.is_test() { LONG_LINES_MAX } else { LINES_MAX };
    match source.text.lines().count() {
        lines if lines > limit => vec![Finding {
            place: source.path.clone(),
            line: 0,
            problem: format!("has {lines} lines and may have {limit}: two concepts are two files"),
        }],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_may_be_longer_than_a_service_and_nothing_is_endless() {
        let text = "x\n".repeat(500);
        assert_eq!(check(&Source::new("chat/src/room.rs", &text)).len(), 1);
        assert_eq!(check(&Source::new("turn/core/src/message.rs", &text)).len(), 0);
        assert_eq!(check(&Source::new("chat/tests/room.rs", &text)).len(), 0);
        assert_eq!(check(&Source::new("turn/core/src/a.rs", &"x\n".repeat(601))).len(), 1);
    }
}
