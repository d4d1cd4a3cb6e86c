//! A finding as text: one aligned line, and what explains it below.

use std::collections::BTreeSet;
use std::time::Duration;

use super::report::Finding;
use super::trouble::span;

/// Where explanations begin: below what they explain.
const INDENT: usize = 32;
/// Lines of explanations end here.
const WIDTH: usize = 100;

/// A finding in text: its line, and what explains it below, unless that was printed already.
pub(super) fn text(finding: &Finding, explained: &mut BTreeSet<String>) -> String {
    let took = finding.took.map(span_or_less).unwrap_or_default();
    let (outcome, step) = (finding.outcome.word(), finding.step.word());
    let mut text = format!("  {outcome:<6}{took:>9}  {step:<13}");
    for (at, row) in wrapped("", &finding.says).into_iter().enumerate() {
        let indent = if at == 0 { 0 } else { INDENT };
        text.push_str(&format!("{:indent$}{row}\n", ""));
    }
    for (mark, explanation) in [("", &finding.means), ("→ ", &finding.next)] {
        let Some(explanation) = explanation else { continue };
        if explained.insert(explanation.clone()) {
            for row in wrapped(mark, explanation) {
                text.push_str(&format!("{:INDENT$}{row}\n", ""));
            }
        }
    }
    text
}

fn span_or_less(took: Duration) -> String {
    let milliseconds = took.as_secs_f64() * 1000.0;
    match took.as_millis() {
        0..10 => format!("{milliseconds:.1} ms"),
        10..1000 => format!("{milliseconds:.0} ms"),
        _ => span(took),
    }
}

/// Breaks a sentence into rows between [`INDENT`] and [`WIDTH`].
fn wrapped(mark: &str, text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut row = mark.to_owned();
    for word in text.split_whitespace() {
        let blank = row.is_empty() || row.ends_with(' ');
        if !blank && row.chars().count() + 1 + word.chars().count() > WIDTH - INDENT {
            // Later rows stand below the text and not below its mark.
            rows.push(std::mem::replace(&mut row, " ".repeat(mark.chars().count())));
            row.push_str(word);
            continue;
        }
        if !blank {
            row.push(' ');
        }
        row.push_str(word);
    }
    rows.push(row);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::{Outcome, Step};

    #[test]
    fn a_line_is_aligned_and_what_explains_it_stands_below() {
        let mut explained = BTreeSet::new();
        let finding = Finding {
            step: Step::Binding,
            outcome: Outcome::Failed,
            says: "no answer within 5 s".to_owned(),
            means: Some("A firewall drops it. ".repeat(6)),
            next: Some("Open the port. ".repeat(8)),
            took: Some(Duration::from_secs(5)),
        };
        let told = text(&finding, &mut explained);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "  FAIL        5 s  binding      no answer within 5 s");
        assert_eq!(lines[1].find("A firewall"), lines[0].find("no answer"));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{told}");
        let arrow = lines.iter().position(|line| line.trim_start().starts_with('→'));
        let arrow = arrow.expect("what to do next");
        assert!(lines[arrow + 1].starts_with(&" ".repeat(INDENT + 2)), "{told}");
        assert_eq!(text(&finding, &mut explained).lines().count(), 1, "it was explained");
    }

    #[test]
    fn what_a_stranger_wrote_does_not_steer_the_terminal() {
        let told = crate::harmless("for \x1b[2Jevil.example,\r issued\nby itself");
        assert_eq!(told, "for \u{fffd}[2Jevil.example,\u{fffd} issued\nby itself");
    }
}
