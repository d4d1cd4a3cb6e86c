//! Puts the parts together, in the order in which each needs the ones before it, and takes them
//! apart in the opposite order.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use confer_accounts::{Accounts, ApiKeys, Clock, CookieConfig, Keys};
use confer_auth::{KeyId, SigningKey, Verifier, VerifyingKey};
use confer_bus::{Bus, RedisConfig};
use confer_chat::ChatService;
use confer_protocol::error::ErrorBody;
use confer_protocol::media::MediaEvent;
use confer_sfu_net::SfuHandle;
use confer_signaling_core::ports::MediaPlane;
use confer_signaling_net::{Origins, Ports, Signaling};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use crate::api_key::{ApiKey, ApiKeyError};
use crate::clock;
use crate::config::{Config, DatabasePlace, Role, TlsConfig};
use crate::data_dir::{DataDir, DataDirError};
use crate::database::{Database, DatabaseError, blocking};
use crate::health::{self, Health};
use crate::http::listener::{self, BindError};
use crate::http::serve::{Terms, serve};
use crate::http::tls::{self, TlsError};
use crate::http::{assets, headers, request};
use crate::lifecycle::Stop;
use crate::ports::{self, AddressBook, Calls, Chat, Directory, NoMedia, Rooms};
use crate::secrets::{SecretError, Secrets};
use crate::{interfaces, metrics, openapi};

/// The `kid` of the key that signs this server's own tokens.
const OWN_KEY: &str = "confer";

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
        let clock = Clock::new(clock::now);
        let made_key = {
            let keys = ApiKeys::new(database.pool.clone(), clock.clone());
            let private = matches!(config.database.place, DatabasePlace::Private { .. });
            ApiKey::keep(data_dir.path(), &keys, private).await?
        };

        let (chat, chat_running) =
            ChatService::start(database.pool.clone(), bus.clone(), config.chat.clone()).await?;
        let (accounts, accounts_running) = Accounts::start(
            database.pool.clone(),
            Arc::new(Rooms(chat.clone())),
            keys(&secrets),
            config.accounts.clone(),
            clock,
        )
        .await
        .map_err(StartError::Accounts)?;

        let mut routes = confer_accounts::routes(accounts.clone(), cookies(config));
        let mut signaling = None;
        if config.runs(Role::Signaling) {
            let directory = Arc::new(Directory { accounts: accounts.clone(), chat: chat.clone() });
            let ports = Ports { media: media.plane, chat: Arc::new(Chat(chat.clone())), directory };
            let (handle, route) =
                confer_signaling_net::start(ports, media.events, signaling_config(config));
            routes = routes.merge(route);
            signaling = Some(handle);
        }
        let address_book = Arc::new(AddressBook(accounts.clone()));
        let calls = Arc::new(Calls(signaling.clone()));
        routes = routes.merge(confer_chat::routes(chat.clone(), address_book, calls));

        let sources = metrics::Sources {
            token: config.http.metrics_token.clone(),
            pool: database.pool.clone(),
            bus,
            chat,
            signaling: signaling.clone(),
            sfu: media.handle,
        };
        let health = Health { pool: database.pool.clone(), stopping: stop.soft.clone() };
        let router = routes
            .layer(from_fn_with_state(accounts, request::authenticated))
            .layer(DefaultBodyLimit::max(config.http.max_body))
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready).with_state(health))
            .route("/metrics", get(metrics::metrics).with_state(Arc::new(sources)))
            .route("/openapi.json", get(openapi::openapi))
            .merge(Router::new().fallback(assets::fallback).layer(CompressionLayer::new()))
            .layer(from_fn(request::named));
        let terms = Terms {
            tls,
            header_timeout: config.http.header_timeout,
            max_connections: config.http.max_connections,
            trusted_proxies: config.http.trusted_proxies.clone().into(),
        };
        let made = secrets.made.into_iter().chain(made_key).collect();
        let parts = Parts {
            signaling,
            accounts: accounts_running,
            chat: chat_running,
            media: media.running,
            database,
            data_dir,
        };
        Ok(Self { listener, listen, terms, router: headers::secured(router), parts, made })
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
    pub(crate) async fn run(self, stop: &Stop) -> Result<(), confer_postgres::StopError> {
        let closing = CancellationToken::new();
        let serving = serve(self.listener, self.router, self.terms, closing.clone());
        let serving = tokio::spawn(serving);
        stop.soft.cancelled().await;

        tracing::info!("draining");
        let Parts { signaling, accounts, chat, media, database, data_dir } = self.parts;
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
        closed
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

/// The media plane, or what stands in its place.
struct Media {
    plane: Arc<dyn MediaPlane>,
    events: mpsc::Receiver<MediaEvent>,
    handle: Option<SfuHandle>,
    running: Option<confer_sfu_net::Running>,
}

impl Media {
    fn start(config: &Config) -> Result<Self, confer_sfu_net::StartError> {
        if !config.runs(Role::Sfu) {
            let (events_end, events) = mpsc::channel(1);
            let plane = Arc::new(NoMedia { _events: events_end });
            return Ok(Self { plane, events, handle: None, running: None });
        }
        let (handle, events, running) = confer_sfu_net::start(sfu_config(config))?;
        let plane = Arc::new(ports::Media(handle.clone()));
        Ok(Self { plane, events, handle: Some(handle), running: Some(running) })
    }
}

fn sfu_config(config: &Config) -> confer_sfu_net::Config {
    let rtc = &config.rtc;
    let announced = match rtc.announce.as_slice() {
        [] if rtc.listen.is_unspecified() => interfaces::addresses(),
        announce => announce.to_vec(),
    };
    let defaults = confer_sfu_net::Config::default();
    confer_sfu_net::Config {
        bind: rtc.listen,
        port: rtc.udp_port,
        shards: rtc.shards,
        announced,
        gso: rtc.gso,
        limits: confer_sfu_core::limits::Limits {
            participants_per_room: config.signaling.participants_per_room,
            tracks_per_participant: config.signaling.tracks_per_participant,
            tracks_per_room: config.signaling.tracks_per_room,
            ..defaults.limits
        },
        ..defaults
    }
}

fn bus(config: &Config) -> Result<Bus, StartError> {
    Ok(match &config.redis {
        Some(url) => Bus::redis(RedisConfig::new(url.reveal()))?,
        None => Bus::memory(),
    })
}

fn keys(secrets: &Secrets) -> Keys {
    let id: KeyId = OWN_KEY.parse().expect("plain letters are a key id");
    let verifier = Verifier::new(confer_auth::Limits::default())
        .with(id.clone(), VerifyingKey::hs256(&secrets.tokens));
    Keys {
        signing: SigningKey::hs256(id, &secrets.tokens),
        verifier,
        refresh: secrets.refresh.clone(),
    }
}

fn cookies(config: &Config) -> CookieConfig {
    let behind_tls = config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    CookieConfig { secure: config.tls != TlsConfig::Off || behind_tls, origins: origins(config) }
}

fn signaling_config(config: &Config) -> confer_signaling_net::Config {
    confer_signaling_net::Config {
        limits: config.signaling.clone(),
        origins: Origins::SameAnd(origins(config)),
        server: format!("confer {}", env!("CARGO_PKG_VERSION")),
        connections: config.http.max_connections,
        ..confer_signaling_net::Config::default()
    }
}

/// Pages of these origins may use this server, besides its own.
fn origins(config: &Config) -> Vec<String> {
    config.public_url.iter().chain(&config.http.allowed_origins).cloned().collect()
}
