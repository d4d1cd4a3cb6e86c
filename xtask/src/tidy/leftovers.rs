//! What somebody meant to come back to.

use super::source::Source;
use crate::finding::Finding;

/// Each with what to do instead. Written in two halves, so that this file does not find itself.
const LEFTOVERS: [(&str, &str, &str); 13] = [
    ("TO", "DO", "do it, or open an issue"),
    ("FIX", "ME", "fix it, or open an issue"),
    ("XX", "X:", "say it in a sentence, or open an issue"),
    ("todo", "!(", "write it"),
    ("unimplemented", "!(", "write it"),
    ("dbg", "!(", "remove it"),
    ("#[igno", "re", "a test runs or it is deleted"),
    ("consol", "e.log(", "remove it"),
    ("debug", "ger;", "remove it"),
    ("@ts-igno", "re", "say the type"),
    ("@ts-noche", "ck", "say the types"),
    ("<<<<", "<<<", "finish the merge"),
    (">>>>", ">>>", "finish the merge"),
];
/// What code begins with and prose does not.
const CODE_STARTS: [&str; 9] =
    ["let ", "fn ", "pub ", "use ", "return ", "const ", "if ", "for ", "self."];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in source.lines() {
        let mut find = |problem: String| {
            findings.push(Finding { place: source.path.clone(), line: number, problem });
        };
        for (start, end, instead) in LEFTOVERS {
            let leftover = format!("{start}{end}");
            if line.contains(&leftover) {
                find(format!("`{leftover}`: {instead}"));
            }
        }
        if is_code_in_comment(line) {
            find("commented-out code: delete it, version control remembers".to_owned());
        }
    }
    findings
}

/// A plain comment that begins like a statement and ends like one. Documentation may show code.
fn is_code_in_comment(line: &str) -> bool {
    let Some(comment) = line.trim_start().strip_prefix("// ") else { return false };
    let comment = comment.trim();
    let starts = CODE_STARTS.iter().any(|start| comment.starts_with(start));
    starts && (comment.ends_with(';') || comment.ends_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_and_dead_code_are_found_and_prose_is_not() {
        let found = |line: &str| check(&Source::new("a/src/a.rs", line)).len();
        assert_eq!(found(&format!("// {}{} later", "TO", "DO")), 1);
        assert_eq!(found(&format!("    {}!(x)", "dbg")), 1);
        assert_eq!(found("// let x = compute();"), 1);
        assert_eq!(found("// for everybody who is in the room; others wait"), 0);
        assert_eq!(found("// let nobody in after this"), 0);
        assert_eq!(found("/// let x = compute();"), 0);
    }
}
