//! The figures of all benchmarks in one file.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Map, Value};

/// Merges figures into the JSON object at `target/bench/summary.json`, or where `BENCH_SUMMARY`
/// says.
pub(super) fn merge(figures: &[(String, f64)]) -> anyhow::Result<()> {
    let path = std::env::var_os("BENCH_SUMMARY").map(PathBuf::from);
    let path = path.unwrap_or_else(|| "target/bench/summary.json".into());
    let kept = std::fs::read_to_string(&path).ok();
    let mut summary: Map<String, Value> =
        kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    for (name, value) in figures {
        summary.insert(name.clone(), Value::from((value * 1_000.0).round() / 1_000.0));
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let text = serde_json::to_string_pretty(&summary)?;
    std::fs::write(&path, text + "\n").with_context(|| path.display().to_string())
}
