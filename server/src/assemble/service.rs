//! The parts that keep data: accounts, chat, and signaling on top of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use confer_accounts::{Accounts, ApiKeys, Clock};
use confer_bus::{Bus, RedisConfig};
use confer_chat::ChatService;
use confer_signaling_net::{Ports, Signaling};
use confer_turn_net::TurnHandle;

use super::media::Media;
use super::{RunError, StartError, translate};
use crate::api_key::{ApiKey, ApiKeyError};
use crate::clock;
use crate::config::{Config, DatabasePlace, Role};
use crate::data_dir::DataDir;
use crate::database::{Database, blocking};
use crate::ports::{Chat, Directory, IceUrls, Rooms};
use crate::secrets::Secrets;

/// How often a private database is looked at.
const DATABASE_LOOK: Duration = Duration::from_secs(1);

/// What has to be stopped, in this order.
pub(super) struct ServiceParts {
    pub(super) signaling: Option<Signaling>,
    accounts: confer_accounts::Running,
    chat: confer_chat::Running,
    pub(super) media: Option<confer_sfu_net::Running>,
    pub(super) database: Database,
}

/// The parts without their database, which is closed after everything else.
pub(super) struct Stopping {
    pub(super) signaling: Option<Signaling>,
    accounts: confer_accounts::Running,
    chat: confer_chat::Running,
    media: Option<confer_sfu_net::Running>,
}

/// What the routes are made of.
pub(super) struct Services {
    pub(super) accounts: Accounts,
    pub(super) chat: ChatService,
    pub(super) signaling: Option<Signaling>,
    pub(super) sfu: Option<confer_sfu_net::SfuHandle>,
    pub(super) bus: Bus,
    pub(super) pool: sqlx::PgPool,
}

/// Everything that a start makes.
pub(super) struct Begun {
    pub(super) parts: ServiceParts,
    pub(super) services: Services,
    pub(super) socket_route: Option<Router>,
    pub(super) made: Option<PathBuf>,
}

/// Starts the parts, each after what it needs.
pub(super) async fn start(
    config: &Config,
    data_dir: &DataDir,
    secrets: &Secrets,
    mut media: Media,
    turn: Option<IceUrls>,
    relay: Option<TurnHandle>,
) -> Result<Begun, StartError> {
    let bus = bus(config)?;
    let database = Database::open(&config.database, data_dir.path()).await?;
    let pool = database.pool.clone();

    let made = keep_api_key(config, data_dir, &database).await?;
    let (chat, chat_running) =
        ChatService::start(pool.clone(), bus.clone(), config.chat.clone()).await?;
    let (accounts, accounts_running) = Accounts::start(
        pool.clone(),
        Arc::new(Rooms(chat.clone())),
        translate::keys(secrets),
        config.accounts.clone(),
        Clock::new(clock::now),
    )
    .await
    .map_err(StartError::Accounts)?;
    let plane = media.plane(relay);
    let media_running = media.running;
    let (sfu, media_events) = (media.handle, media.events);
    let (signaling, socket_route) = config
        .runs(Role::Signaling)
        .then(|| {
            let directory = Directory { accounts: accounts.clone(), chat: chat.clone(), turn };
            let chat = Arc::new(Chat(chat.clone()));
            let ports = Ports { media: plane, chat, directory: Arc::new(directory) };
            confer_signaling_net::start(ports, media_events, translate::signaling(config))
        })
        .unzip();

    let services = Services { accounts, chat, signaling: signaling.clone(), sfu, bus, pool };
    let parts = ServiceParts {
        signaling,
        accounts: accounts_running,
        chat: chat_running,
        media: media_running,
        database,
    };
    Ok(Begun { parts, services, socket_route, made })
}

impl ServiceParts {
    pub(super) fn split(self) -> (Stopping, Database) {
        let Self { signaling, accounts, chat, media, database } = self;
        (Stopping { signaling, accounts, chat, media }, database)
    }
}

impl Stopping {
    /// Ends the parts, each before what it needs.
    pub(super) async fn stop(self) {
        self.accounts.stop().await;
        self.chat.stop().await;
        if let Some(media) = self.media {
            blocking(|| media.stop()).await;
        }
    }
}

/// Returns when a private database has ended, which it should not before us.
pub(super) async fn database_ended(parts: Option<&ServiceParts>, data_dir: &DataDir) -> RunError {
    let Some(parts) = parts else { return std::future::pending().await };
    loop {
        tokio::time::sleep(DATABASE_LOOK).await;
        if let Some(status) = parts.database.ended() {
            let log = data_dir.path().join("postgres").join("postgres.log");
            return RunError::DatabaseEnded { status, log };
        }
    }
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
