//! A running `confer`, with a data directory of its own, that never outlives its test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A hang is a failure; nothing here takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a server is to be started; starting it again is the same server once more.
pub(crate) struct Setup {
    dir: tempfile::TempDir,
    /// Set once the first start has found a free one.
    port: u16,
    udp_port: u16,
    database_url: Option<String>,
    arguments: Vec<String>,
}

impl Setup {
    /// A fresh data directory, and the private database inside it.
    pub(crate) fn private() -> Self {
        let dir = tempfile::Builder::new().prefix("confer-e2e-").tempdir().expect("a directory");
        // The private Postgres runs as another user when this test runs as root.
        let passable = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(dir.path(), passable).expect("our own directory");
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let udp_port = udp.local_addr().expect("a bound socket").port();
        Self { dir, port: 0, udp_port, database_url: None, arguments: Vec::new() }
    }

    /// A fresh data directory, and the database of this URL.
    pub(crate) fn with_database(url: String) -> Self {
        Self { database_url: Some(url), ..Self::private() }
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Listens at this port instead of a free one.
    pub(crate) fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// Receives media at this port instead of a free one.
    pub(crate) fn udp_port(self, udp_port: u16) -> Self {
        Self { udp_port, ..self }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// `confer` with these arguments, and an environment in which only this test has a say.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_confer"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.dir.path());
        if let Some(url) = &self.database_url {
            command.env("DATABASE_URL", url);
        }
        command.args(arguments).arg("--data-dir").arg(self.data_dir());
        command
    }

    fn serve(&self) -> Command {
        let mut command = self.command(&["serve"]);
        command.arg("--listen").arg(format!("127.0.0.1:{}", self.port));
        command.arg("--udp-port").arg(self.udp_port.to_string());
        command.args(["--set", "rtc.listen=127.0.0.1", "--announce", "127.0.0.1"]);
        command.args(["--set", "turn.listen=127.0.0.1:0", "--set", "turn.threads=2"]);
        command.args(&self.arguments);
        command
    }

    /// Starts the server and waits until it says that it is ready.
    pub(crate) fn start(&mut self) -> Confer {
        let confer = Confer::spawn(self.serve());
        self.port = confer.port;
        confer
    }

    /// Starts the server, which is expected to end by itself.
    pub(crate) fn start_in_vain(&self) -> Output {
        output(self.serve())
    }
}

/// Runs a command to its end.
pub(crate) fn output(mut command: Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the binary can be executed")
}

/// A server that answers.
pub(crate) struct Confer {
    pub(crate) url: String,
    /// What it printed before it was ready.
    pub(crate) greeting: String,
    port: u16,
    pid: Pid,
    ended: mpsc::Receiver<ExitStatus>,
    log: mpsc::Receiver<String>,
}

impl Confer {
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be executed");
        let pid = Pid::from_child(&child);
        let stdout = child.stdout.take().expect("it is piped");
        let mut stderr = child.stderr.take().expect("it is piped");

        let (log_writer, log) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = log_writer.send(text);
        });
        let (line_writer, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = line_writer.send(line);
            }
        });
        let (status_writer, ended) = mpsc::channel();
        thread::spawn(move || {
            let _ = status_writer.send(child.wait().expect("it is our child"));
        });

        let mut confer =
            Self { url: String::new(), greeting: String::new(), port: 0, pid, ended, log };
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    confer.greeting.push_str(&line);
                    confer.greeting.push('\n');
                    if let Some(url) = line.strip_prefix("Open  ") {
                        confer.url = url.to_owned();
                    }
                    if let Some((_, url)) = line.split_once("Metrics: ") {
                        confer.url = url.trim_end_matches("/metrics").to_owned();
                    }
                    if line.starts_with("Ctrl-C") {
                        break;
                    }
                }
                Err(_) => panic!("it did not start: {}{}", confer.greeting, confer.log()),
            }
        }
        let port = confer.url.rsplit(':').next().and_then(|port| port.parse().ok());
        confer.port = port.expect("the greeting names the port");
        confer
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its relay listens, for UDP and TCP.
    pub(crate) fn relay(&self) -> SocketAddr {
        let line = self.greeting.lines().find_map(|line| line.split_once("UDP and TCP port "));
        let port = line.and_then(|(_, rest)| rest.split(',').next()?.parse().ok());
        SocketAddr::from(([127, 0, 0, 1], port.expect("the greeting names the port")))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // It may have ended by itself; then its status says so.
        let _ = kill_process(self.pid, signal);
    }

    /// Waits for the process to end.
    pub(crate) fn wait(&self) -> ExitStatus {
        match self.ended.recv_timeout(PATIENCE) {
            Ok(status) => status,
            Err(_) => panic!("it did not end"),
        }
    }

    /// Everything it logged, once it has ended.
    pub(crate) fn log(&self) -> String {
        self.log.recv_timeout(PATIENCE).unwrap_or_default()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        self.wait();
    }
}

impl Drop for Confer {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Files below a directory that others than their owner may read.
pub(crate) fn readable_by_others(dir: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("our own directory").flatten() {
        let metadata = entry.metadata().expect("our own file");
        if metadata.is_file() && metadata.mode() & 0o077 != 0 {
            found.push(entry.path());
        }
    }
    found
}
