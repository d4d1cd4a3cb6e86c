use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::installation::OLDEST_MAJOR;

/// Why no Postgres was found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The operator named a directory that does not hold one.
    #[error("no PostgreSQL in {}: {problem}", dir.display())]
    Configured { dir: PathBuf, problem: String },

    /// Nothing usable anywhere.
    #[error(
        "no PostgreSQL {OLDEST_MAJOR} or later found (looked in {looked}); install one \
         (`apt-get install postgresql`), or name a running server with DATABASE_URL"
    )]
    Nowhere { looked: String },
}

/// Why the cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory could not be made or written.
    #[error("cannot write {}; make it writable for this user or choose another data directory", path.display())]
    NotWritable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },

    /// Another process holds the directory's lock.
    #[error("{} is in use by process {holder}; stop it or choose another data directory", path.display())]
    InUse { path: PathBuf, holder: String },

    /// This process is root, which Postgres refuses to be, and there is nobody else to be.
    #[error("PostgreSQL does not run as root and the user {wanted} does not exist; create it")]
    NoUser { wanted: String },

    /// The user Postgres runs as cannot reach a directory.
    #[error(
        "user {user}, as whom PostgreSQL runs, may not enter {}; allow it (`chmod o+x {}`), \
         choose another data directory, or do not run as root", path.display(), path.display()
    )]
    NotTraversable { path: PathBuf, user: String },

    /// The cluster belongs to somebody else.
    #[error("{} belongs to user id {owner} and this process is user id {me}; run as its owner", path.display())]
    NotOwner { path: PathBuf, owner: u32, me: u32 },

    /// There is a directory, but it is not a cluster.
    #[error("{} is not a PostgreSQL cluster (no PG_VERSION in it); move it away", path.display())]
    NotACluster { path: PathBuf },

    /// The files are of another major version.
    #[error(
        "{} was made by PostgreSQL {cluster} and {installed} would run it; run PostgreSQL \
         {cluster} once, dump with pg_dumpall, move the directory away, start again and restore",
        path.display()
    )]
    OtherMajor { path: PathBuf, cluster: String, installed: u16 },

    /// The socket's path would not fit.
    #[error("{} is too long for a socket; choose a shorter directory", path.display())]
    SocketPathTooLong { path: PathBuf },

    /// A server of an earlier run does not end.
    #[error("PostgreSQL process {pid} of an earlier run did not stop within {} s", limit.as_secs())]
    StillRunning { pid: u32, limit: Duration },

    /// `initdb` or the first statement failed.
    #[error("making the cluster failed ({status}): {tail}")]
    InitFailed { status: ExitStatus, tail: String },

    /// The server ended while starting.
    #[error("PostgreSQL ended while starting ({status}): {tail}")]
    Exited { status: ExitStatus, tail: String },

    /// It runs, but was not ready in time.
    #[error("PostgreSQL was not ready within {} s: {tail}", limit.as_secs())]
    NotReady { limit: Duration, tail: String },

    /// The system refused something else.
    #[error("could not {doing}")]
    Io {
        doing: String,
        #[source]
        cause: io::Error,
    },
}

impl StartError {
    /// Names what was being done when the system refused it.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::Io { doing, cause }
    }
}

/// Why the cluster did not stop.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// It still runs, even after its connections were cut.
    #[error("PostgreSQL process {pid} did not stop within {} s", limit.as_secs())]
    StillRunning { pid: u32, limit: Duration },
}
