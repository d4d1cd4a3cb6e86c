//! `postmaster.pid`: what a server says about itself, and what an earlier one left behind.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::StartError;

/// How often a file or a process is looked at while waiting for it.
pub(crate) const GLANCE: Duration = Duration::from_millis(10);

/// Whether the server `pid` says that it takes connections. A file that an earlier server left
/// says so too, hence the number.
pub(crate) fn is_ready(cluster: &Path, pid: u32) -> bool {
    let Ok(text) = std::fs::read_to_string(cluster.join("postmaster.pid")) else { return false };
    let mut lines = text.lines();
    let first = lines.next().and_then(|line| line.trim().parse().ok());
    let eighth = lines.nth(6).map(str::trim);
    first == Some(pid) && eighth == Some("ready")
}

/// Stops the server of an earlier run that still works on this directory, and removes the file of
/// one that is gone. The caller holds the directory's lock: no other confer starts it meanwhile.
pub(crate) fn clear(cluster: &Path, limit: Duration) -> Result<(), StartError> {
    let file = cluster.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
    let number = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
    if let Some(pid) = number.and_then(Pid::from_raw)
        && works_on(pid, cluster)
    {
        tracing::info!(pid = pid.as_raw_nonzero().get(), "stopping the database of an earlier run");
        let _ = rustix::process::kill_process(pid, Signal::INT);
        let deadline = Instant::now() + limit;
        while works_on(pid, cluster) {
            if Instant::now() >= deadline {
                let pid = pid.as_raw_nonzero().get().unsigned_abs();
                return Err(StartError::StillRunning { pid, limit });
            }
            std::thread::sleep(GLANCE);
        }
    }
    // A dead server's number may by now be another process's, which Postgres would respect.
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StartError::io(format!("remove {}", file.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Whether the process is a Postgres on this directory: a server works in the directory it serves.
/// A zombie works nowhere.
#[cfg(target_os = "linux")]
fn works_on(pid: Pid, cluster: &Path) -> bool {
    let proc = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
    let command = std::fs::read(proc.join("cmdline")).unwrap_or_default();
    let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
    program.ends_with(b"postgres")
        && std::fs::read_link(proc.join("cwd")).is_ok_and(|dir| dir == cluster)
}

/// Without /proc: by the directory on the command line, where this crate puts it.
#[cfg(not(target_os = "linux"))]
fn works_on(pid: Pid, cluster: &Path) -> bool {
    let number = pid.as_raw_nonzero().to_string();
    let output = std::process::Command::new("ps").args(["-o", "command=", "-p", &number]).output();
    let Ok(output) = output else { return false };
    let command = String::from_utf8_lossy(&output.stdout);
    command.contains("postgres") && command.contains(&*cluster.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_of_one_process_and_not_of_a_stale_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let text = "42\n/data\n1700000000\n5432\n/tmp/s\n\n  1234   5678\nready   \n";
        std::fs::write(dir.path().join("postmaster.pid"), text).expect("a file");
        assert!(is_ready(dir.path(), 42));
        assert!(!is_ready(dir.path(), 43));
        std::fs::write(dir.path().join("postmaster.pid"), text.replace("ready   ", "starting"))
            .expect("a file");
        assert!(!is_ready(dir.path(), 42));
    }

    #[test]
    fn the_file_of_a_process_that_is_no_server_of_this_directory_is_removed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("postmaster.pid");
        std::fs::write(&file, format!("{}\n", std::process::id())).expect("a file");
        clear(dir.path(), Duration::ZERO).expect("this process is no Postgres");
        assert!(!file.exists());
    }
}
