//! Where figures go: a table for people, one JSON object for machines.

use std::path::PathBuf;

use serde_json::{Map, Value};

/// What the figures were measured on.
pub(crate) fn print_machine() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("{model}, {cores} cores, Linux {}", kernel.trim());
}

/// Adds figures to the summary, keeping what other benchmarks wrote.
pub(crate) fn merge(figures: &[(&str, f64)]) {
    let path = path();
    let mut summary: Map<String, Value> = std::fs::read_to_string(&path)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    for (key, figure) in figures {
        let rounded = (figure * 10_000.0).round() / 10_000.0;
        summary.insert((*key).to_owned(), Value::from(rounded));
    }
    let text = serde_json::to_string_pretty(&Value::Object(summary)).expect("a map of numbers");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("the target directory can be written");
    }
    std::fs::write(&path, text + "\n").expect("the target directory can be written");
    println!("written to {}", path.canonicalize().unwrap_or(path).display());
}

fn path() -> PathBuf {
    match std::env::var_os("BENCH_SUMMARY") {
        Some(path) => path.into(),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench/summary.json").into(),
    }
}
