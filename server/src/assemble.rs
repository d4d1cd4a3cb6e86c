//! Puts the parts together.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::api_key::{ApiKey, ApiKeyError};
use crate::config::Config;
use crate::data_dir::{DataDir, DataDirError};
use crate::database::{Database, DatabaseError};
use crate::health::{self, Health};
use crate::http::listener::{self, BindError};
use crate::http::serve::{Terms, serve};
use crate::http::tls::{self, TlsError};
use crate::http::{assets, headers};
use crate::lifecycle::Stop;
use crate::secrets::{SecretError, Secrets};

/// Why the server did not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    StopDatabase(#[from] confer_postgres::StopError),
}

/// All parts, ready to run.
pub(crate) struct Server {
    data_dir: DataDir,
    database: Database,
    listener: TcpListener,
    listen: SocketAddr,
    terms: Terms,
    router: Router,
    /// What this start made in the data directory.
    pub(crate) made: Vec<PathBuf>,
}

/// What is left to do at the end.
pub(crate) struct Running {
    _data_dir: DataDir,
    database: Database,
}

impl Server {
    /// Makes every part and connects them. What can fail for a reason outside of this process
    /// comes first, so that nothing has begun when it does.
    pub(crate) async fn assemble(config: &Config, stop: &Stop) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let secrets = Secrets::open(data_dir.path())?;
        let (_api_key, made_key) = ApiKey::open_or_make(data_dir.path())?;
        let tls = tls::acceptor(&config.tls, config.public_url.as_deref(), data_dir.path())?;
        let listener = listener::bind(&config.http.listen).await?;
        let listen = listener.local_addr().map_err(BindError::Lost)?;
        let database = Database::open(&config.database, data_dir.path()).await?;

        let health = Health { pool: database.pool.clone(), stopping: stop.soft.clone() };
        let router = Router::new()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready).with_state(health))
            .fallback(assets::fallback);
        let terms = Terms {
            tls,
            header_timeout: config.http.header_timeout,
            max_connections: config.http.max_connections,
            trusted_proxies: config.http.trusted_proxies.clone().into(),
        };
        let made = secrets.made.into_iter().chain(made_key).collect();
        Ok(Self {
            data_dir,
            database,
            listener,
            listen,
            terms,
            router: headers::secured(router),
            made,
        })
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    pub(crate) fn database_description(&self) -> &str {
        &self.database.description
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    pub(crate) async fn run(self, stop: &Stop) -> Running {
        serve(self.listener, self.router, self.terms, stop.soft.clone()).await;
        Running { _data_dir: self.data_dir, database: self.database }
    }
}

/// Brings the schema up to date, and says whose it is.
pub(crate) async fn migrate(config: &Config) -> Result<String, StartError> {
    let data_dir = DataDir::open(&config.data_dir)?;
    let database = Database::open(&config.database, data_dir.path()).await?;
    let description = database.description.clone();
    database.close().await?;
    Ok(description)
}

impl Running {
    pub(crate) async fn drain(self, stop: &Stop) -> Result<(), confer_postgres::StopError> {
        let _ = stop;
        self.database.close().await
    }
}
