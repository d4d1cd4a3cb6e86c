//! Which crate may import which, checked against what cargo resolved.

mod arrows;
mod graph;
mod licence;

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};

use crate::finding::{Finding, report};
use graph::Graph;

/// Where packages may come from, besides this repository.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks every crate of the workspace and everything it needs.
pub(crate) fn run() -> Result<ExitCode, String> {
    let graph = Graph::read(&metadata()?)?;
    let manifest = std::fs::read_to_string(crate::root().join("Cargo.toml"))
        .map_err(|error| format!("cannot read Cargo.toml: {error}"))?;
    let mut findings = arrows::check(&graph);
    findings.extend(licence::check(&graph));
    findings.extend(sources(&graph));
    findings.extend(unused(&graph, &manifest));
    Ok(report("deps", &findings))
}

fn metadata() -> Result<serde_json::Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .current_dir(crate::root())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

fn sources(graph: &Graph) -> Vec<Finding> {
    let foreign = graph.packages().filter(|package| {
        !package.member && package.source.as_deref().is_none_or(|source| source != REGISTRY)
    });
    let finding = |place: &str, source: &Option<String>| Finding {
        place: place.to_owned(),
        line: 0,
        problem: format!("comes from {source:?}, which is not the public registry"),
    };
    foreign.map(|package| finding(&package.name, &package.source)).collect()
}

/// Entries of `[workspace.dependencies]` that no crate uses.
fn unused(graph: &Graph, manifest: &str) -> Vec<Finding> {
    let used: BTreeSet<&str> =
        graph.members().flat_map(|member| member.declared.iter().map(String::as_str)).collect();
    let mut findings = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        }
        let Some((name, _)) = line.split_once(" = ") else { continue };
        if inside && !used.contains(name) {
            findings.push(Finding {
                place: "Cargo.toml".to_owned(),
                line: index + 1,
                problem: format!("no crate uses `{name}`"),
            });
        }
    }
    findings
}
