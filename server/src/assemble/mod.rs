//! Puts the parts together, in the order in which each needs the ones before it, and takes them
//! apart in the opposite order.

mod media;
mod revocation;
mod router;
mod translate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use confer_accounts::{Accounts, ApiKeys, Clock};
use confer_bus::{Bus, RedisConfig};
use confer_chat::ChatService;
use confer_protocol::error::ErrorBody;
use confer_signaling_net::{Ports, Signaling};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api_key::{ApiKey, ApiKeyError};
use crate::clock;
use crate::config::{Config, DatabasePlace, Role};
use crate::data_dir::{DataDir, DataDirError};
use crate::database::{Database, DatabaseError, blocking};
use crate::http::listener::{self, BindError};
use crate::http::serve::{Terms, serve};
use crate::http::tls::{self, TlsError};
use crate::lifecycle::Stop;
use crate::ports::{Chat, Directory, Rooms};
use crate::secrets::{SecretError, Secrets};
use media::Media;

/// How often a private database is looked at.
const DATABASE_LOOK: Duration = Duration::from_secs(1);

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
    #[error(transparent)]
    Media(#[from] confer_sfu_net::StartError),
    #[error("`redis.url` cannot be used; write redis://host:port")]
    Bus(#[from] confer_bus::BusError),
    #[error(transparent)]
    Chat(#[from] confer_chat::StartError),
    #[error("accounts did not start: {}", .0.message)]
    Accounts(ErrorBody),
}

/// Why the server ended otherwise than it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(
        "the private database ended by itself ({status}); its log is {}. What was acknowledged is \
         on disk: start confer again", log.display()
    )]
    DatabaseEnded { status: std::process::ExitStatus, log: PathBuf },
    #[error(transparent)]
    StopDatabase(#[from] confer_postgres::StopError),
}

/// All parts, ready to run.
pub(crate) struct Server {
    listener: TcpListener,
    listen: SocketAddr,
    terms: Terms,
    router: Router,
    parts: Parts,
    /// What this start made in the data directory.
    pub(crate) made: Vec<PathBuf>,
}

/// What has to be stopped, in this order.
struct Parts {
    signaling: Option<Signaling>,
    accounts: confer_accounts::Running,
    chat: confer_chat::Running,
    media: Option<confer_sfu_net::Running>,
    database: Database,
    data_dir: DataDir,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

/// What the routes are made of.
struct Services {
    accounts: Accounts,
    chat: ChatService,
    signaling: Option<Signaling>,
    sfu: Option<confer_sfu_net::SfuHandle>,
    bus: Bus,
    pool: sqlx::PgPool,
}

impl Server {
    /// Makes every part and connects them. What fails for a reason outside of this process comes
    /// first, so that little has begun when it does.
    pub(crate) async fn assemble(config: &Config, stop: &Stop) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let secrets = Secrets::open(data_dir.path())?;
        let tls = tls::acceptor(&config.tls, config.public_url.as_deref(), data_dir.path())?;
        let listener = listener::bind(&config.http.listen).await?;
        let listen = listener.local_addr().map_err(BindError::Lost)?;
        let media = Media::start(config)?;
        let bus = bus(config)?;
        let database = Database::open(&config.database, data_dir.path()).await?;
        let pool = database.pool.clone();

        let made_key = keep_api_key(config, &data_dir, &database).await?;
        let (chat, chat_running) =
            ChatService::start(pool.clone(), bus.clone(), config.chat.clone()).await?;
        let (accounts, accounts_running) = Accounts::start(
            pool.clone(),
            Arc::new(Rooms(chat.clone())),
            translate::keys(&secrets),
            config.accounts.clone(),
            Clock::new(clock::now),
        )
        .await
        .map_err(StartError::Accounts)?;
        let (signaling, socket_route) = config
            .runs(Role::Signaling)
            .then(|| {
                let (accounts, turn) = (accounts.clone(), config.turn.clone());
                let directory = Directory { accounts, chat: chat.clone(), turn };
                let chat = Arc::new(Chat(chat.clone()));
                let ports = Ports { media: media.plane, chat, directory: Arc::new(directory) };
                confer_signaling_net::start(ports, media.events, translate::signaling(config))
            })
            .unzip();
        let mut tasks = JoinSet::new();
        if let Some(signaling) = &signaling {
            tasks.spawn(revocation::enforce(accounts.ended(), signaling.clone()));
        }

        let services =
            Services { accounts, chat, signaling: signaling.clone(), sfu: media.handle, bus, pool };
        let router = router::router(config, services, socket_route, stop.soft.clone());
        let made = secrets.made.into_iter().chain(made_key).collect();
        let parts = Parts {
            signaling,
            accounts: accounts_running,
            chat: chat_running,
            media: media.running,
            database,
            data_dir,
            _tasks: tasks,
        };
        Ok(Self { listener, listen, terms: translate::terms(config, tls), router, parts, made })
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.parts.data_dir.path()
    }

    pub(crate) fn database_description(&self) -> &str {
        &self.parts.database.description
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where media is received, by thread; empty where this process carries none.
    pub(crate) fn media_addresses(&self) -> &[SocketAddr] {
        self.parts.media.as_ref().map_or(&[], confer_sfu_net::Running::local_addresses)
    }

    /// Serves until the first signal, then lets go of everything. Says how that went.
    pub(crate) async fn run(self, stop: &Stop) -> Result<(), RunError> {
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
        let closing = CancellationToken::new();
        let serving = tokio::spawn(serve(self.listener, self.router, self.terms, closing.clone()));
        let outcome = tokio::select! {
            () = stop.soft.cancelled() => Ok(()),
            ended = database_ended(&self.parts) => Err(ended),
        };

        // Readiness fails from here on, also when no signal said so.
        stop.soft.cancel();
        tracing::info!("draining");
        let Parts { signaling, accounts, chat, media, database, data_dir, _tasks } = self.parts;
        let drained = stop.drained(async move {
            // New sockets are refused and open ones told while HTTP still answers.
            if let Some(signaling) = &signaling {
                signaling.drain().await;
            }
            closing.cancel();
            let _ = serving.await;
            accounts.stop().await;
            chat.stop().await;
            if let Some(media) = media {
                blocking(|| media.stop()).await;
            }
        });
        if !drained.await {
            tracing::warn!("stopped before everything was drained");
        }
        let closed = database.close().await;
        drop(data_dir);
        outcome.and(closed.map_err(RunError::from))
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

fn bus(config: &Config) -> Result<Bus, StartError> {
    Ok(match &config.redis {
        Some(url) => Bus::redis(RedisConfig::new(url.reveal()))?,
        None => Bus::memory(),
    })
}

async fn keep_api_key(
    config: &Config,
    data_dir: &DataDir,
    database: &Database,
) -> Result<Option<PathBuf>, ApiKeyError> {
    let keys = ApiKeys::new(database.pool.clone(), Clock::new(clock::now));
    let private = matches!(config.database.place, DatabasePlace::Private { .. });
    ApiKey::keep(data_dir.path(), &keys, private).await
}

/// Returns when a private database has ended, which it should not before us.
async fn database_ended(parts: &Parts) -> RunError {
    loop {
        tokio::time::sleep(DATABASE_LOOK).await;
        if let Some(status) = parts.database.ended() {
            let log = parts.data_dir.path().join("postgres").join("postgres.log");
            return RunError::DatabaseEnded { status, log };
        }
    }
}
