use std::path::PathBuf;
use std::time::Duration;

/// How a cluster is to run. Everything but the directory has a default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the cluster, its lock and its log live. Made when it is missing, mode 0700.
    pub data_dir: PathBuf,
    /// Most connections at once. Default: 50.
    pub max_connections: u32,
    /// Memory for Postgres' own page cache. Default: 128 MiB.
    pub shared_buffers_mib: u32,
    /// Whether data must survive. Default: it must.
    pub durability: Durability,
    /// When this process is root: the user Postgres runs as. Default: the owner of an existing
    /// cluster, else `postgres`, else `nobody`.
    pub run_as: Option<String>,
    /// When this process is root and that user cannot enter where a new cluster would go: where it
    /// goes instead, with a link in its place. Default: `/var/lib/confer`.
    pub elsewhere: Option<PathBuf>,
    /// Where the socket's own directory is made; short, because a socket path ends at 107 bytes.
    /// Default: `/tmp`.
    pub socket_parent: PathBuf,
    /// How long starting may take, recovery after a crash included. Default: 60 s.
    pub start_limit: Duration,
    /// How long a fast shutdown may take before connections are cut. Default: 30 s.
    pub stop_limit: Duration,
}

/// What a crash of the machine may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was committed.
    Durable,
    /// Everything: for tests, whose data nobody will miss.
    Scratch,
}

impl Settings {
    /// The defaults for a cluster in this directory.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            max_connections: 50,
            shared_buffers_mib: 128,
            durability: Durability::Durable,
            run_as: None,
            elsewhere: Some(PathBuf::from("/var/lib/confer")),
            socket_parent: PathBuf::from("/tmp"),
            start_limit: Duration::from_secs(60),
            stop_limit: Duration::from_secs(30),
        }
    }

    /// What goes on the server's command line.
    pub(crate) fn parameters(&self) -> Vec<String> {
        let mut parameters = vec![
            "listen_addresses=".to_owned(),
            "unix_socket_permissions=0700".to_owned(),
            format!("max_connections={}", self.max_connections),
            format!("shared_buffers={}MB", self.shared_buffers_mib),
            "timezone=UTC".to_owned(),
            "log_timezone=UTC".to_owned(),
            "jit=off".to_owned(),
            // The log keeps no values: neither statements nor the rows an error is about.
            "log_error_verbosity=terse".to_owned(),
            "log_min_error_statement=panic".to_owned(),
            "log_checkpoints=off".to_owned(),
        ];
        match self.durability {
            Durability::Durable => {}
            Durability::Scratch => parameters.extend(
                ["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned),
            ),
        }
        parameters
    }
}
