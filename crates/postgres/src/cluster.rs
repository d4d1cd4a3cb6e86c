use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::account::Account;
use crate::error::{StartError, StopError};
use crate::home;
use crate::installation::{Installation, Origin};
use crate::pidfile;
use crate::settings::{Durability, Settings};
use crate::tether::Tether;

/// The database every new cluster has.
pub const DATABASE: &str = "confer";
/// The role that owns it; the socket's directory is what keeps others out.
pub const USER: &str = "confer";

/// The longest path a Unix socket can have on Linux (unix(7)); other systems have 103.
const SOCKET_PATH_MAX: usize = 103;
const SOCKET_DIR_PREFIX: &str = "confer-pg-";
/// How much of the log an error repeats.
const TAIL_BYTES: u64 = 1500;
/// The log is put aside at the next start once it is larger than this.
const LOG_BYTES_MAX: u64 = 8 << 20;
/// How long cutting connections may take once a fast shutdown has not ended in time.
const IMMEDIATE_STOP_LIMIT: Duration = Duration::from_secs(10);

/// A running Postgres. Dropping it stops it.
#[derive(Debug)]
pub struct Cluster {
    server: Tether,
    installation: Installation,
    socket_dir: PathBuf,
    stop_limit: Duration,
    /// Held from before the first look at the directory until after the server has ended.
    _lock: File,
}

impl Cluster {
    /// Makes the cluster if there is none, and starts it. Blocks until it takes connections.
    ///
    /// # Errors
    /// See [`StartError`]: each says what is wrong with the directory, the user or the server.
    pub fn start(installation: Installation, settings: &Settings) -> Result<Self, StartError> {
        let place = settings.data_dir.join("cluster");
        let account = Account::choose(settings.run_as.as_deref(), &place)?;
        let home = home::settle(settings, &account)?;
        let lock = home::lock(&home)?;
        let place = home.join("cluster");
        account.own(&home).map_err(StartError::io(format!("hand over {}", home.display())))?;
        let installation = if place.exists() {
            let fitting = fitting(installation, &place)?;
            home::reachable(fitting, &account, &home)?
        } else {
            let installation = home::reachable(installation, &account, &home)?;
            initialise(&installation, &account, &home, &place, settings)?;
            installation
        };
        pidfile::clear(&place, settings.start_limit)?;

        let socket_dir = make_socket_dir(&settings.socket_parent, &account, &home)?;
        match launch(&installation, &account, &home, &place, &socket_dir, settings) {
            Ok(server) => {
                let stop_limit = settings.stop_limit;
                Ok(Self { server, installation, socket_dir, stop_limit, _lock: lock })
            }
            Err(error) => {
                let _ = std::fs::remove_dir_all(&socket_dir);
                Err(error)
            }
        }
    }

    /// Where a database of this cluster is, for a connection pool.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@localhost/{database}?host={}", self.socket_dir.display())
    }

    /// The binaries that run.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// How the server ended, if it has: it should not, before [`Cluster::stop`].
    pub fn ended(&self) -> Option<ExitStatus> {
        self.server.status()
    }

    /// Stops the server: open transactions are rolled back, everything committed is on disk.
    ///
    /// # Errors
    /// When it does not end even after its connections were cut.
    pub fn stop(self) -> Result<(), StopError> {
        self.halt()
    }

    fn halt(&self) -> Result<(), StopError> {
        // Fast shutdown first, then immediate: recovery at the next start loses nothing committed.
        let steps = [(Signal::INT, self.stop_limit), (Signal::QUIT, IMMEDIATE_STOP_LIMIT)];
        let mut stopped = Err(StopError::StillRunning { pid: self.pid(), limit: self.stop_limit });
        for (signal, limit) in steps {
            self.server.signal(signal);
            if self.server.wait(limit).is_some() {
                stopped = Ok(());
                break;
            }
        }
        let _ = std::fs::remove_dir_all(&self.socket_dir);
        stopped
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.server.status().is_none()
            && let Err(error) = self.halt()
        {
            tracing::error!(%error, "the database was killed");
        }
    }
}

/// Makes the cluster beside its place and moves it there when it is whole, so that an
/// interrupted attempt leaves nothing that looks like one.
fn initialise(
    installation: &Installation,
    account: &Account,
    home: &Path,
    place: &Path,
    settings: &Settings,
) -> Result<(), StartError> {
    let fresh = home.join("cluster.new");
    let _ = std::fs::remove_dir_all(&fresh);
    let mut initdb = command(installation, "initdb", account, home);
    initdb
        .args(["--locale=C.UTF-8", "--encoding=UTF8", "--auth=trust", "--no-instructions"])
        .arg(format!("--username={USER}"))
        .arg("--pgdata")
        .arg(&fresh);
    if settings.durability == Durability::Scratch {
        initdb.arg("--no-sync");
    }
    run(&mut initdb, "")?;

    // The embedded tree has no client program; a server without a socket makes the database.
    let mut single = command(installation, "postgres", account, home);
    single.args(["--single", "-j", "-D"]).arg(&fresh);
    if settings.durability == Durability::Scratch {
        single.args(["-c", "fsync=off"]);
    }
    single.arg("postgres");
    run(&mut single, &format!("CREATE DATABASE {DATABASE};\n\n"))?;
    std::fs::rename(&fresh, place)
        .map_err(StartError::io(format!("move the new cluster to {}", place.display())))
}

fn command(installation: &Installation, program: &str, account: &Account, home: &Path) -> Command {
    let mut command = Command::new(installation.bin().join(program));
    // Nothing of the caller's settings (PGHOST, PGDATA, LC_*, LD_*) may reach it.
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
    // A directory that its user can enter, whatever the caller's is.
    command.current_dir(home);
    account.apply(&mut command);
    command
}

fn run(command: &mut Command, input: &str) -> Result<(), StartError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |cause| StartError::Io { doing: format!("run {program}"), cause };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended already; its exit status tells more than this error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(StartError::InitFailed { status: output.status, tail: complaint })
}

/// The installation, or the machine's own of the version that made the cluster: what was begun
/// with a distribution's Postgres goes on with it when the embedded one is there later.
fn fitting(installation: Installation, place: &Path) -> Result<Installation, StartError> {
    let not_a_cluster = |_| StartError::NotACluster { path: place.to_owned() };
    let text = std::fs::read_to_string(place.join("PG_VERSION")).map_err(not_a_cluster)?;
    let installed = installation.version().major;
    let cluster = text.trim();
    if cluster == installed.to_string() {
        return Ok(installation);
    }
    let other = match installation.origin() {
        // The operator's word counts, also when it is wrong.
        Origin::Configured => None,
        Origin::Embedded | Origin::System => Installation::system_of_major(cluster),
    };
    let cluster = cluster.to_owned();
    other.ok_or(StartError::OtherMajor { path: place.to_owned(), cluster, installed })
}

/// A new directory per start: a server that became a zombie keeps the lock on its socket's name.
fn make_socket_dir(parent: &Path, account: &Account, home: &Path) -> Result<PathBuf, StartError> {
    // The cluster remembers the last one, which a killed process could not remove.
    let remembered = home.join("socket");
    if let Ok(last) = std::fs::read_link(&remembered) {
        let ours = last.file_name().and_then(|name| name.to_str());
        if ours.is_some_and(|name| name.starts_with(SOCKET_DIR_PREFIX)) {
            let _ = std::fs::remove_dir_all(last);
        }
        let _ = std::fs::remove_file(&remembered);
    }
    loop {
        let dir = parent.join(format!("{SOCKET_DIR_PREFIX}{}", fresh_name()));
        if dir.join(".s.PGSQL.5432.lock").as_os_str().len() > SOCKET_PATH_MAX {
            return Err(StartError::SocketPathTooLong { path: parent.to_owned() });
        }
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => {
                account.own(&dir).map_err(StartError::io(format!("own {}", dir.display())))?;
                account.can_reach(&dir)?;
                // Without the note nothing is lost but an empty directory.
                let _ = std::os::unix::fs::symlink(&dir, &remembered);
                return Ok(dir);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(cause) => return Err(StartError::NotWritable { path: parent.to_owned(), cause }),
        }
    }
}

/// A short name that hardly anybody has used; whoever makes something by it looks whether it exists.
pub(crate) fn fresh_name() -> String {
    // The hasher's keys are random; nothing here is a secret.
    let number = RandomState::new().hash_one(std::process::id());
    format!("{:08x}", number >> 32)
}

fn launch(
    installation: &Installation,
    account: &Account,
    home: &Path,
    place: &Path,
    socket_dir: &Path,
    settings: &Settings,
) -> Result<Tether, StartError> {
    let deadline = Instant::now() + settings.start_limit;
    loop {
        let (log, log_start) = open_log(home)?;
        let mut command = command(installation, "postgres", account, home);
        command.arg("-D").arg(place).arg("-k").arg(socket_dir);
        for parameter in settings.parameters() {
            command.arg("-c").arg(parameter);
        }
        let log_again = log.try_clone().map_err(StartError::io("open the database's log"))?;
        command.stdin(Stdio::null()).stdout(log_again).stderr(log);
        let server =
            Tether::spawn(command, Signal::INT).map_err(StartError::io("start PostgreSQL"))?;

        let ended = loop {
            if pidfile::is_ready(place, server.pid()) {
                return Ok(server);
            }
            if let Some(status) = server.wait(pidfile::GLANCE) {
                break status;
            }
            if Instant::now() >= deadline {
                server.signal(Signal::QUIT);
                server.wait(IMMEDIATE_STOP_LIMIT);
                let tail = tail(home, log_start);
                return Err(StartError::NotReady { limit: settings.start_limit, tail });
            }
        };

        let tail = tail(home, log_start);
        // After a `kill -9` of the server its connections' processes take a moment to notice.
        let orphans = tail.contains("pre-existing shared memory block");
        if !orphans || Instant::now() >= deadline {
            return Err(StartError::Exited { status: ended, tail });
        }
        std::thread::sleep(pidfile::GLANCE * 10);
    }
}

/// The log, to be appended to, and where this run begins in it.
fn open_log(home: &Path) -> Result<(File, u64), StartError> {
    let path = home.join("postgres.log");
    let failed = |cause| StartError::NotWritable { path: path.clone(), cause };
    if path.metadata().is_ok_and(|meta| meta.size() > LOG_BYTES_MAX) {
        std::fs::rename(&path, home.join("postgres.log.old")).map_err(failed)?;
    }
    let file =
        OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
    let start = file.metadata().map_err(failed)?.size();
    Ok((file, start))
}

fn tail(home: &Path, start: u64) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(home.join("postgres.log")) {
        let size = file.metadata().map_or(0, |meta| meta.size());
        let from = start.max(size.saturating_sub(TAIL_BYTES));
        if file.seek(SeekFrom::Start(from)).is_ok() {
            let _ = file.take(TAIL_BYTES).read_to_end(&mut text);
        }
    }
    match String::from_utf8_lossy(&text).trim() {
        "" => "it wrote no log".to_owned(),
        lines => lines.to_owned(),
    }
}
