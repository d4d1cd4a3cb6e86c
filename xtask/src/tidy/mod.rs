//! What a reader of the sources may rely on, checked.

mod cores;
mod exceptions;
mod leftovers;
mod length;
mod names;
mod places;
mod source;

use std::process::{Command, ExitCode};

use crate::finding::{Finding, report};
use source::Source;

/// Checks every file that is, or could be, committed.
pub(crate) fn run() -> Result<ExitCode, String> {
    let findings = check(&sources()?);
    Ok(report("tidy", &exceptions::sift(findings)))
}

/// One kind of finding; an exception names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Length,
    Names,
    Leftovers,
    Cores,
    Places,
}

/// What is wrong with one file.
type Check = fn(&Source) -> Vec<Finding>;

fn check(sources: &[Source]) -> Vec<(Rule, Finding)> {
    let checks: [(Rule, Check); 5] = [
        (Rule::Length, length::check),
        (Rule::Names, names::check),
        (Rule::Leftovers, leftovers::check),
        (Rule::Cores, cores::check),
        (Rule::Places, places::check),
    ];
    let run = |source| {
        checks.iter().flat_map(move |(rule, check)| {
            check(source).into_iter().map(move |finding| (*rule, finding))
        })
    };
    sources.iter().flat_map(run).collect()
}

fn sources() -> Result<Vec<Source>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(crate::root())
        .output()
        .map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut paths: Vec<&str> = listed.split_terminator('\0').collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths.into_iter().filter_map(|path| Source::read(crate::root(), path)).collect())
}
