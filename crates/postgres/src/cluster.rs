use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;

use crate::account::Account;
use crate::error::{StartError, StopError};
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
        let home = make_private(&settings.data_dir)?;
        let lock = lock(&home)?;
        let place = home.join("cluster");
        let account = Account::choose(settings.run_as.as_deref(), &place)?;
        account.can_reach(&home)?;
        account.own(&home).map_err(StartError::io(format!("hand over {}", home.display())))?;
        let installation = reachable(installation, &account, &home)?;

        if !place.exists() {
            initialise(&installation, &account, &home, &place, settings)?;
        }
        check_version(&installation, &place)?;
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

fn make_private(dir: &Path) -> Result<PathBuf, StartError> {
    let not_writable = |cause| StartError::NotWritable { path: dir.to_owned(), cause };
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).map_err(not_writable)?;
    }
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(not_writable(error));
        }
        _ => {}
    }
    // Postgres changes its working directory, and /proc shows directories in their canonical form.
    dir.canonicalize().map_err(not_writable)
}

fn lock(home: &Path) -> Result<File, StartError> {
    let path = home.join("lock");
    let not_writable = |cause| StartError::NotWritable { path: home.to_owned(), cause };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(not_writable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(32).read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another".to_owned(),
                number => number.to_owned(),
            };
            return Err(StartError::InUse { path: home.to_owned(), holder });
        }
        Err(TryLockError::Error(cause)) => return Err(not_writable(cause)),
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(not_writable)?;
    Ok(file)
}

/// The installation itself, or a copy of the embedded tree in a place the other user can enter.
fn reachable(
    installation: Installation,
    account: &Account,
    home: &Path,
) -> Result<Installation, StartError> {
    let Err(unreachable) = account.can_reach(&installation.bin().join("postgres")) else {
        return Ok(installation);
    };
    let (Origin::Embedded, Some(tree)) = (installation.origin(), installation.bin().parent())
    else {
        return Err(unreachable);
    };
    let copy = home.join(format!("server-{}", installation.version()));
    if !copy.exists() {
        let fresh = home.join("server.new");
        let _ = std::fs::remove_dir_all(&fresh);
        copy_tree(tree, &fresh, account)
            .and_then(|()| std::fs::rename(&fresh, &copy))
            .map_err(StartError::io(format!("copy {} to {}", tree.display(), copy.display())))?;
    }
    Ok(installation.moved_to(&copy))
}

fn copy_tree(from: &Path, to: &Path, account: &Account) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    account.own(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target, account)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &target)?;
        } else {
            std::fs::copy(entry.path(), &target)?;
            account.own(&target)?;
        }
    }
    Ok(())
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

fn check_version(installation: &Installation, place: &Path) -> Result<(), StartError> {
    let not_a_cluster = |_| StartError::NotACluster { path: place.to_owned() };
    let text = std::fs::read_to_string(place.join("PG_VERSION")).map_err(not_a_cluster)?;
    let installed = installation.version().major;
    if text.trim() == installed.to_string() {
        return Ok(());
    }
    let cluster = text.trim().to_owned();
    Err(StartError::OtherMajor { path: place.to_owned(), cluster, installed })
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
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut attempt = nanos ^ (u128::from(std::process::id()) << 64);
    loop {
        let dir = parent.join(format!("{SOCKET_DIR_PREFIX}{:08x}", attempt as u32));
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
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => attempt += 1,
            Err(cause) => return Err(StartError::NotWritable { path: parent.to_owned(), cause }),
        }
    }
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
