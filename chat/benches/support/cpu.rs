//! Processor time, which tells more than the clock on a machine that does other things as well.

use std::collections::HashMap;
use std::time::Duration;

/// What this process has used.
pub(crate) fn own() -> Duration {
    read("self").map_or(Duration::ZERO, |process| process.used)
}

/// What a process and those it started have used.
pub(crate) fn of_tree(root: u32) -> Duration {
    let processes: HashMap<u32, Process> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            Some((name.parse().ok()?, read(&name)?))
        })
        .collect();
    processes
        .iter()
        .filter(|(pid, process)| **pid == root || process.parent == root)
        .map(|(_, process)| process.used)
        .sum()
}

struct Process {
    parent: u32,
    used: Duration,
}

/// proc_pid_stat(5): after the name in parentheses come the state, the parent, and as 12th to 15th
/// what the process and its ended children used, in ticks of which Linux shows 100 a second.
fn read(process: &str) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Process { parent: fields.get(1)?.parse().ok()?, used: Duration::from_millis(ticks * 10) })
}
