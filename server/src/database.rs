//! The database: a server somebody else runs, or a private one that lives and ends with us.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use confer_postgres::{Cluster, FindError, Installation, OLDEST_MAJOR, Settings, StopError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgPool};

use crate::config::{DatabaseConfig, DatabasePlace};

/// How long the first connection may take before the server counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long statements that are under way at the end may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);
/// Connections of a private server that the pool leaves to whoever looks at it by hand.
const SPARE_CONNECTIONS: u32 = 8;
/// Where, in a source checkout, `npm ci` has put the private server's binaries.
const IN_CHECKOUT: &str = "crates/postgres/embedded";

/// Why there is no database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("`database.url` is no URL of a PostgreSQL server; write postgres://user@host/database")]
    BadUrl {
        #[source]
        cause: sqlx::Error,
    },

    #[error(
        "cannot reach the database {place} that database.url or DATABASE_URL names; start it or \
         correct the URL. Confer does not use its private database while a URL is set"
    )]
    Unreachable {
        place: String,
        #[source]
        cause: sqlx::Error,
    },

    #[error("the database is PostgreSQL {found}; confer needs {OLDEST_MAJOR} or later")]
    TooOld { found: String },

    #[error("no private database can be started")]
    NotFound(#[from] FindError),

    #[error("the private database did not start")]
    NotStarted(#[from] confer_postgres::StartError),

    #[error("the private database started and then refused a connection")]
    Refused {
        #[source]
        cause: sqlx::Error,
    },

    #[error("the schema could not be brought up to date")]
    Migrate {
        #[source]
        cause: sqlx::migrate::MigrateError,
    },
}

/// A reachable database with the schema of this version.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) pool: PgPool,
    cluster: Option<Cluster>,
    /// For people: which one it is.
    pub(crate) description: String,
}

impl Database {
    /// Starts or reaches the database and applies what migrations it lacks.
    pub(crate) async fn open(
        config: &DatabaseConfig,
        data_dir: &Path,
    ) -> Result<Self, DatabaseError> {
        let database = match &config.place {
            DatabasePlace::Url(url) => {
                let options = PgConnectOptions::from_str(url.reveal())
                    .map_err(|cause| DatabaseError::BadUrl { cause })?;
                let place = describe(&options);
                let pool = connect(options, config.max_connections)
                    .await
                    .map_err(|cause| DatabaseError::Unreachable { place: place.clone(), cause })?;
                Self { pool, cluster: None, description: place }
            }
            DatabasePlace::Private { postgres_dir, shared_buffers } => {
                let settings = Settings {
                    max_connections: config.max_connections + SPARE_CONNECTIONS,
                    shared_buffers_mib: mebibytes(*shared_buffers),
                    ..Settings::new(data_dir.join("postgres"))
                };
                start_private(postgres_dir.clone(), settings, config.max_connections).await?
            }
        };
        database.check_version().await?;
        confer_chat::migrations()
            .run(&database.pool)
            .await
            .map_err(|cause| DatabaseError::Migrate { cause })?;
        Ok(database)
    }

    async fn check_version(&self) -> Result<(), DatabaseError> {
        let connection = self.pool.acquire().await;
        let connection = connection.map_err(|cause| DatabaseError::Refused { cause })?;
        let found = connection.server_version_num().unwrap_or_default() / 10_000;
        if found < u32::from(OLDEST_MAJOR) {
            return Err(DatabaseError::TooOld { found: found.to_string() });
        }
        Ok(())
    }

    /// How a private server ended, if it has.
    pub(crate) fn ended(&self) -> Option<std::process::ExitStatus> {
        self.cluster.as_ref().and_then(Cluster::ended)
    }

    /// Closes the pool and stops a private server, which ends what the pool could not.
    pub(crate) async fn close(self) -> Result<(), StopError> {
        if tokio::time::timeout(CLOSE_PATIENCE, self.pool.close()).await.is_err() {
            tracing::warn!("some statements did not end in time and are cut off");
        }
        match self.cluster {
            Some(cluster) => blocking(move || cluster.stop()).await,
            None => Ok(()),
        }
    }
}

async fn start_private(
    postgres_dir: Option<PathBuf>,
    settings: Settings,
    connections: u32,
) -> Result<Database, DatabaseError> {
    let cluster = blocking(move || -> Result<Cluster, DatabaseError> {
        let installation = Installation::find(postgres_dir.as_deref(), &beside_executable())?;
        Ok(Cluster::start(installation, &settings)?)
    })
    .await?;
    let refused = |cause| DatabaseError::Refused { cause };
    let options =
        PgConnectOptions::from_str(&cluster.url(confer_postgres::DATABASE)).map_err(refused)?;
    let pool = connect(options, connections).await.map_err(refused)?;
    let installation = cluster.installation();
    let description =
        format!("private PostgreSQL {} ({})", installation.version(), installation.bin().display());
    Ok(Database { pool, cluster: Some(cluster), description })
}

/// Trees that may hold the private server's binaries, nearest first. Only directories above the
/// executable count: whoever can write there can replace the executable as well.
fn beside_executable() -> Vec<PathBuf> {
    let Ok(executable) = std::env::current_exe() else { return Vec::new() };
    let beside = executable.parent().map(|dir| dir.join("postgres"));
    let above = executable.ancestors().skip(1).map(|dir| dir.join(IN_CHECKOUT));
    beside.into_iter().chain(above).filter(|dir| dir.is_dir()).collect()
}

async fn connect(options: PgConnectOptions, connections: u32) -> Result<PgPool, sqlx::Error> {
    let options = options.application_name("confer");
    // A pool tries again until its time is over and forgets why; one connection says it at once.
    let attempt = options.connect();
    match tokio::time::timeout(CONNECT_TIMEOUT, attempt).await {
        Ok(connected) => connected?.close().await?,
        Err(_) => return Err(sqlx::Error::PoolTimedOut),
    }
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_with(options)
        .await
}

/// Host and database, without user and password.
fn describe(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or("(default)");
    match options.get_socket() {
        Some(socket) => format!("{database} at {}", socket.display()),
        None => format!("{database} at {}:{}", options.get_host(), options.get_port()),
    }
}

fn mebibytes(bytes: usize) -> u32 {
    u32::try_from(bytes >> 20).unwrap_or(u32::MAX).max(1)
}

/// Runs what blocks where that disturbs nobody.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        // The runtime cancels nothing it has begun, so this is the work's own panic.
        std::panic::resume_unwind(error.into_panic())
    })
}
