//! A Redis for one test, which may kill it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A Redis on a socket in a directory of its own; it stops when dropped.
pub struct RedisServer {
    child: Child,
    directory: TempDir,
}

impl RedisServer {
    /// Starts an empty one.
    ///
    /// # Panics
    /// When there is no `redis-server` to start: a test without it has not run.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a writable temporary directory");
        let child = launch(directory.path());
        Self { child, directory }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(self.directory.path()).display())
    }

    /// Ends it like a crash.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Starts it again, empty, where it was.
    pub fn restart(&mut self) {
        // What a killed server leaves behind.
        let _ = std::fs::remove_file(socket(self.directory.path()));
        self.child = launch(self.directory.path());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("redis.sock")
}

/// Starts the server and waits until it says that it is ready.
fn launch(directory: &Path) -> Child {
    let mut child = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(socket(directory))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-server is installed: `make test` sees to it");
    let output = child.stdout.take().expect("it was piped");
    let mut lines = BufReader::new(output).lines();
    let is_ready = lines
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.to_lowercase().contains("ready to accept connections"));
    assert!(is_ready, "redis-server started");
    // Read on, so that the server never waits for its log.
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    child
}
