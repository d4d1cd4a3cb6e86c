//! Where figures go: a table for people, one JSON object for machines.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

/// Durations, to be asked for their quantiles.
pub(crate) struct Quantiles(Vec<Duration>);

impl Quantiles {
    pub(crate) fn new(durations: Vec<Duration>) -> Self {
        Self(durations)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The value below which this share lies, in milliseconds.
    pub(crate) fn at(&mut self, share: f64) -> f64 {
        self.0.sort_unstable();
        let last = self.0.len().saturating_sub(1);
        let index = (last as f64 * share) as usize;
        self.0.get(index).map_or(0.0, |duration| duration.as_secs_f64() * 1000.0)
    }
}

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
pub(crate) fn merge(figures: &[(String, f64)]) {
    let path = match std::env::var_os("BENCH_SUMMARY") {
        Some(path) => PathBuf::from(path),
        None => concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench/summary.json").into(),
    };
    let mut summary: Map<String, Value> = std::fs::read_to_string(&path)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    for (key, figure) in figures {
        summary.insert(key.clone(), Value::from((figure * 1000.0).round() / 1000.0));
    }
    let text = serde_json::to_string_pretty(&Value::Object(summary)).expect("a map of numbers");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).expect("the target directory can be written");
    }
    std::fs::write(&path, text + "\n").expect("the target directory can be written");
    println!("written to {}", path.display());
}
