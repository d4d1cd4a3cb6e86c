use std::io::Write;

use serde::Serialize;
use serde_json::{Value, json};

/// Writes a report as one JSON object, with the machine it was measured on.
pub(crate) fn print(report: &Value) -> anyhow::Result<()> {
    let whole = json!({ "machine": machine(), "result": report });
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &whole)?;
    writeln!(out)?;
    Ok(())
}

/// Quantiles of a set of figures.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Quantiles {
    /// Nearest-rank quantiles; zeros for no figures at all.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let rank = |share: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "an index into a list that is far smaller than 2^52"
            )]
            let index = (figures.len() as f64 * share).ceil() as usize;
            figures.get(index.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1.0) }
    }
}

fn machine() -> Value {
    let first = |path: &str, prefix: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(prefix)).unwrap_or_default();
        line.rsplit(':').next().unwrap_or_default().trim().to_owned()
    };
    json!({
        "cpu": first("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "kernel": first("/proc/sys/kernel/osrelease", ""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_figures_that_were_measured() {
        let quantiles = Quantiles::of((1..=100).rev().map(f64::from).collect());
        assert_eq!((quantiles.p50, quantiles.p95, quantiles.p99), (50.0, 95.0, 99.0));
        assert_eq!(quantiles.max, 100.0);
        assert_eq!(Quantiles::of(Vec::new()).max, 0.0);
    }
}
