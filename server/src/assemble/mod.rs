//! Puts the parts together, in the order in which each needs the ones before it, and takes them
//! apart in the opposite order.

mod addresses;
mod in_process;
mod media;
mod metadata;
pub(crate) mod relay;
mod reload;
mod resolved;
mod revocation;
mod router;
mod service;
mod translate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use confer_protocol::error::ErrorBody;
use confer_turn_net::TurnHandle;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Admin, SocketError};
use crate::api_key::ApiKeyError;
use crate::config::{Config, Role};
use crate::data_dir::{DataDir, DataDirError};
use crate::database::{Database, DatabaseError};
use crate::http::listener::{self, BindError};
use crate::http::serve::{Terms, serve};
use crate::http::tls::{self, Tls, TlsError};
use crate::lifecycle::{DRAIN_LIMIT, Stop};
use crate::secrets::{SecretError, Secrets};
use media::Media;
use relay::Relay;
pub(crate) use reload::{RELOADS, Reload, hangups, watch};
use service::ServiceParts;

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
    #[error(transparent)]
    Relay(#[from] confer_turn_net::StartError),
    #[error(transparent)]
    Admin(#[from] SocketError),
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
    reload: Reload,
    /// What this start made in the data directory.
    pub(crate) made: Vec<PathBuf>,
}

/// What has to be stopped, in this order.
struct Parts {
    relay: Option<RelayParts>,
    service: Option<ServiceParts>,
    data_dir: DataDir,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

/// The relay, and how long it may go on when the process is told to stop.
struct RelayParts {
    handle: TurnHandle,
    running: confer_turn_net::Running,
    drain_timeout: Duration,
}

impl Server {
    /// Makes every part and connects them. What fails for a reason outside of this process comes
    /// first, so that little has begun when it does.
    pub(crate) async fn assemble(config: &Config, stop: &Stop) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let secrets = Secrets::open(data_dir.path())?;
        let public_url = config.public_url.as_deref();
        let certificate = tls::certificate(&config.tls, public_url, data_dir.path())?;
        let tls = certificate.as_ref().map(Tls::new).transpose()?;
        let listener = listener::bind(&config.http.listen).await?;
        let listen = listener.local_addr().map_err(BindError::Lost)?;
        let ends = in_process::Ends::of(config);
        let media = Media::start(config, ends.media)?;
        let relay = if config.runs(Role::Turn) {
            let reached = addresses::media_endpoints(config, media.addresses());
            let own_secret = secrets.turn.clone();
            let terms = relay::Terms { own_secret, certificate, http: listen, media: reached };
            Some(Relay::start(config, terms, ends.relay).await?)
        } else {
            None
        };

        let mut tasks = JoinSet::new();
        let turn = relay.as_ref().map(|relay| relay.handle.clone());
        let mut made = secrets.made.clone();
        let (service, services, socket_route) = if config.keeps_data() {
            let ice = relay::announced(config, relay.as_ref().map(|relay| &relay.shape));
            let begun =
                service::start(config, &data_dir, &secrets, media, ice, turn.clone()).await?;
            if let Some(signaling) = &begun.parts.signaling {
                let ended = begun.services.accounts.ended();
                let lifetime = config.turn.credential_lifetime;
                let relay = turn.clone();
                tasks.spawn(revocation::enforce(ended, signaling.clone(), relay, lifetime));
            }
            made.extend(begun.made);
            (Some(begun.parts), Some(begun.services), begun.socket_route)
        } else {
            (None, None, None)
        };

        let admin = relay.as_ref().map(|relay| {
            let policies = relay.steering.policies();
            Admin { relay: relay.handle.clone(), policies }
        });
        if let Some(admin) = &admin {
            tasks.spawn(admin::listen(data_dir.path(), admin.routes())?);
        }
        let guarded = admin.map(|admin| admin.guarded(&secrets.admin));
        let stopping = stop.soft.clone();
        let router = router::router(
            config,
            tls.clone(),
            services,
            turn.clone(),
            guarded,
            socket_route,
            stopping,
        );
        let shared = turn.filter(|_| config.turn.share_http_port);
        let acceptor = tls.as_ref().map(|tls| tls.acceptor(shared.is_some())).transpose()?;
        let reload = Reload {
            tls,
            relay: relay.as_ref().map(|relay| relay.steering.clone()),
            data_dir: data_dir.path().to_owned(),
        };
        let relay = relay.map(|relay| RelayParts {
            handle: relay.handle,
            running: relay.running,
            drain_timeout: config.turn.drain_timeout,
        });
        let parts = Parts { relay, service, data_dir, _tasks: tasks };
        let terms = translate::terms(config, acceptor, shared);
        Ok(Self { listener, listen, terms, router, parts, reload, made })
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.parts.data_dir.path()
    }

    /// Where messages are kept; `None` where this process keeps nothing.
    pub(crate) fn database_description(&self) -> Option<&str> {
        self.parts.service.as_ref().map(|service| service.database.description.as_str())
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where media is received, by thread; empty where this process carries none.
    pub(crate) fn media_addresses(&self) -> &[SocketAddr] {
        let media = self.parts.service.as_ref().and_then(|service| service.media.as_ref());
        media.map_or(&[], confer_sfu_net::Running::local_addresses)
    }

    /// Where the relay listens; empty where there is none.
    pub(crate) fn relay_addresses(&self) -> &[SocketAddr] {
        self.parts.relay.as_ref().map_or(&[], |relay| relay.handle.listening())
    }

    /// What a change of the configuration is carried to.
    pub(crate) fn reload(&self) -> Reload {
        self.reload.clone()
    }

    /// Serves until the first signal, then lets go of everything. Says how that went.
    pub(crate) async fn run(self, stop: &Stop) -> Result<(), RunError> {
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving");
        let closing = CancellationToken::new();
        let serving = tokio::spawn(serve(self.listener, self.router, self.terms, closing.clone()));
        let outcome = tokio::select! {
            () = stop.soft.cancelled() => Ok(()),
            ended = service::database_ended(self.parts.service.as_ref(), &self.parts.data_dir) => {
                Err(ended)
            }
        };

        // Readiness fails from here on, also when no signal said so.
        stop.soft.cancel();
        tracing::info!("draining");
        let Parts { relay, service, data_dir, _tasks } = self.parts;
        let (service, database) = service.map(ServiceParts::split).unzip();
        let limit =
            DRAIN_LIMIT + relay.as_ref().map_or(Duration::ZERO, |relay| relay.drain_timeout);
        let drained = stop.drained(limit, async move {
            let relay = relay.map(|relay| tokio::spawn(relay.drain()));
            // New sockets are refused and open ones told while HTTP still answers.
            if let Some(signaling) = service.as_ref().and_then(|parts| parts.signaling.as_ref()) {
                signaling.drain().await;
            }
            if let Some(relay) = relay {
                // It may take hours, which metrics and health should tell. A panic in it was
                // reported when it happened.
                let _ = relay.await;
            }
            closing.cancel();
            let _ = serving.await;
            if let Some(service) = service {
                service.stop().await;
            }
        });
        if !drained.await {
            tracing::warn!("stopped before everything was drained");
        }
        let closed = match database {
            Some(database) => database.close().await,
            None => Ok(()),
        };
        drop(data_dir);
        outcome.and(closed.map_err(RunError::from))
    }
}

impl RelayParts {
    /// Takes nothing new, waits for what lives within its limit, and ends.
    async fn drain(self) {
        self.handle.drain().await;
        let begun = tokio::time::Instant::now();
        let mut events = self.handle.events();
        while self.handle.stats().allocations > 0 {
            let news = tokio::time::timeout_at(begun + self.drain_timeout, events.recv());
            if news.await.is_err() {
                break;
            }
        }
        self.running.stop().await;
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
