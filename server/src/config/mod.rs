//! Configuration: what an operator writes, and what it means.
//!
//! Four layers, a later one wins: the defaults, one TOML file, environment variables, flags. Each
//! section is a written form ([`section`]) that resolves into a typed one, in which nothing is
//! optional that the part it is for needs. Only this module reads settings from outside.
//!
//! **To add a setting:** add a line with doc comment, type and default to its section, carry it
//! over in `resolve`, and run `make gen`, which rewrites `docs/config.md`.

mod accounts;
mod chat;
mod choice;
mod database;
mod docs;
mod error;
mod http;
mod layers;
mod log;
mod node;
mod redis;
mod rtc;
mod section;
mod signaling;
mod tenants;
#[cfg(test)]
mod tests;
mod tls;
mod turn;
mod unit;
mod value;

use std::path::{Path, PathBuf};

pub(crate) use database::{DatabaseConfig, DatabasePlace};
pub(crate) use docs::{manual, show};
pub(crate) use error::ConfigError;
pub(crate) use http::{HttpConfig, host_of};
pub(crate) use layers::{Sources, read};
pub(crate) use log::{LogFormat, LogSection};
pub(crate) use node::Role;
pub(crate) use rtc::RtcConfig;
pub(crate) use tls::TlsConfig;
pub(crate) use turn::{TurnConfig, TurnTransport};
pub(crate) use value::{Raw, Secret, Setting};

use section::{Section, full_key};

/// Every section in its written form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    node: node::NodeSection,
    http: http::HttpSection,
    tls: tls::TlsSection,
    database: database::DatabaseSection,
    redis: redis::RedisSection,
    rtc: rtc::RtcSection,
    signaling: signaling::SignalingSection,
    chat: chat::ChatSection,
    accounts: accounts::AccountsSection,
    turn: turn::TurnSection,
    log: LogSection,
}

impl Settings {
    /// The sections in the order documents list them.
    fn sections(&self) -> [&dyn Section; 11] {
        [
            &self.node,
            &self.http,
            &self.tls,
            &self.database,
            &self.redis,
            &self.rtc,
            &self.signaling,
            &self.chat,
            &self.accounts,
            &self.turn,
            &self.log,
        ]
    }

    fn sections_mut(&mut self) -> [&mut dyn Section; 11] {
        [
            &mut self.node,
            &mut self.http,
            &mut self.tls,
            &mut self.database,
            &mut self.redis,
            &mut self.rtc,
            &mut self.signaling,
            &mut self.chat,
            &mut self.accounts,
            &mut self.turn,
            &mut self.log,
        ]
    }

    fn section_names() -> impl Iterator<Item = &'static str> {
        Self::default().sections().map(Section::name).into_iter().filter(|name| !name.is_empty())
    }

    fn has_section(name: &str) -> bool {
        Self::section_names().any(|known| known == name)
    }

    /// Every setting's full key.
    fn keys() -> Vec<String> {
        let settings = Self::default();
        let keys = settings.sections().map(|section| {
            let fields = section.fields().into_iter();
            fields.map(|field| full_key(section.name(), &field.key)).collect::<Vec<_>>()
        });
        keys.into_iter().flatten().collect()
    }

    fn set(&mut self, full_key: &str, raw: &Raw) -> Option<Result<(), String>> {
        let (table, key) = full_key.split_once('.').unwrap_or(("", full_key));
        let section = self.sections_mut().into_iter().find(|section| section.name() == table)?;
        section.set(key, raw)
    }
}

/// The configuration in its typed form.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file that was read, if there is one.
    pub(crate) file: Option<PathBuf>,
    pub(crate) data_dir: PathBuf,
    pub(crate) roles: Vec<Role>,
    pub(crate) public_url: Option<String>,
    pub(crate) http: HttpConfig,
    pub(crate) tls: TlsConfig,
    pub(crate) database: DatabaseConfig,
    pub(crate) redis: Option<Secret>,
    pub(crate) rtc: RtcConfig,
    pub(crate) signaling: confer_signaling_core::Limits,
    pub(crate) chat: confer_chat::Config,
    pub(crate) accounts: confer_accounts::Config,
    pub(crate) turn: TurnConfig,
    pub(crate) log: LogSection,
}

impl Config {
    /// Reads all sources and resolves them.
    pub(crate) fn load(sources: &Sources) -> Result<Self, Vec<ConfigError>> {
        let layered = read(sources)?;
        let config = Self::resolve(layered.settings, sources).map_err(|error| vec![error])?;
        Ok(Self { file: layered.file, ..config })
    }

    fn resolve(settings: Settings, sources: &Sources) -> Result<Self, ConfigError> {
        let data_dir = data_dir(&settings, sources)?;
        let public_url = settings.node.public_url.map(|url| url.trim_end_matches('/').to_owned());
        if let Some(url) = public_url.as_deref().filter(|url| !http::is_origin(url)) {
            let problem = format!("`{url}` must be scheme, host and port, without a path");
            return Err(ConfigError::Unusable { key: "public-url", problem });
        }
        let turn = settings.turn.resolve(public_url.as_deref())?;
        Ok(Self {
            file: None,
            data_dir,
            roles: node_roles(settings.node.roles)?,
            public_url,
            http: settings.http.resolve(settings.tls.mode)?,
            tls: settings.tls.resolve()?,
            database: settings.database.resolve()?,
            redis: settings.redis.resolve()?,
            rtc: settings.rtc.resolve()?,
            signaling: settings.signaling.resolve()?,
            chat: settings.chat.resolve(),
            accounts: settings.accounts.resolve()?,
            turn,
            log: settings.log,
        })
    }

    pub(crate) fn runs(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether anything runs that keeps data. The relay does not.
    pub(crate) fn keeps_data(&self) -> bool {
        self.roles.iter().any(|role| *role != Role::Turn)
    }
}

/// The data directory, also for commands that need nothing else of the configuration.
pub(crate) fn data_dir(settings: &Settings, sources: &Sources) -> Result<PathBuf, ConfigError> {
    let configured = settings.node.data_dir.clone();
    configured.or_else(|| layers::default_data_dir(&sources.environment)).ok_or(
        ConfigError::Missing {
            key: "data-dir",
            why: "this user has no home directory, so say where data may live: --data-dir PATH",
        },
    )
}

fn node_roles(roles: Vec<Role>) -> Result<Vec<Role>, ConfigError> {
    let runs = |role| roles.contains(&role);
    let problem = match (runs(Role::Signaling), runs(Role::Sfu), runs(Role::Chat)) {
        (true, _, true) | (false, false, true) => return Ok(roles),
        (false, false, false) if runs(Role::Turn) => return Ok(roles),
        (false, false, false) => "names no role, so there would be nothing to run",
        (true, _, false) => "`signaling` needs `chat`: rooms and their members are kept there",
        (false, true, _) => {
            "`sfu` needs `signaling`: nobody could reach it, because media nodes of their own \
             need links between nodes, which this version lacks"
        }
    };
    Err(ConfigError::Unusable { key: "roles", problem: problem.to_owned() })
}

/// The content of a secret's file, without the line end that editors add.
fn secret_file(key: &'static str, path: Option<PathBuf>) -> Result<Option<Secret>, ConfigError> {
    path.map(|path| read_secret(key, &path)).transpose()
}

fn read_secret(key: &'static str, path: &Path) -> Result<Secret, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
        path: path.to_owned(),
        named_by: format!("`{key}`"),
        cause,
    })?;
    match text.trim() {
        "" => Err(ConfigError::Unusable { key, problem: "the file is empty".to_owned() }),
        secret => Ok(Secret::new(secret)),
    }
}
