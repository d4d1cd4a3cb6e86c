use std::path::PathBuf;

use super::error::ConfigError;
use super::section::section;
use super::unit::ByteSize;
use super::value::Secret;

/// Sweeps, migrations and receipts each want one while messages are written.
const LEAST_CONNECTIONS: u32 = 4;

section! {
    /// `[database]`: where messages and accounts are kept.
    ///
    /// Without a URL confer runs a private PostgreSQL of its own in the data directory. With one it
    /// uses that server (PostgreSQL 15 or later) and never falls back to its own.
    pub(crate) struct DatabaseSection in "database" {
        /// `postgres://user:password@host/database`. The variable `DATABASE_URL` sets it as well.
        url: Option<Secret> = None,

        /// File that holds the URL, to keep the password out of this file and the environment.
        url_file: Option<PathBuf> = None,

        /// How many connections to hold.
        ///
        /// Chat writes in batches, so few suffice; more than the server allows makes starting fail.
        max_connections: u32 = 16,

        /// Directory with `bin/postgres` to run when there is no URL.
        ///
        /// When it is not set: the one that was installed beside confer, else this machine's own.
        /// The variable `CONFER_POSTGRES_DIR` sets it as well.
        postgres_dir: Option<PathBuf> = None,

        /// Memory the private PostgreSQL uses for its cache.
        ///
        /// A quarter of the machine's memory is a good upper bound.
        shared_buffers: ByteSize = ByteSize::mib(128),
    }
}

/// The database to use.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseConfig {
    pub(crate) place: DatabasePlace,
    pub(crate) max_connections: u32,
}

/// Whose database it is.
#[derive(Clone, Debug)]
pub(crate) enum DatabasePlace {
    /// A server somebody else runs.
    Url(Secret),
    /// A private one that this process starts and stops.
    Private { postgres_dir: Option<PathBuf>, shared_buffers: usize },
}

impl DatabaseSection {
    pub(super) fn resolve(self) -> Result<DatabaseConfig, ConfigError> {
        if self.max_connections < LEAST_CONNECTIONS {
            let problem = format!("must be at least {LEAST_CONNECTIONS}");
            return Err(ConfigError::Unusable { key: "database.max-connections", problem });
        }
        let from_file = super::secret_file("database.url-file", self.url_file)?;
        let url = match (self.url, from_file) {
            (Some(_), Some(_)) => {
                return Err(ConfigError::Conflict {
                    one: "database.url",
                    other: "database.url-file",
                });
            }
            (url, from_file) => url.or(from_file),
        };
        let place = match url {
            Some(url) => {
                if !url.reveal().starts_with("postgres://")
                    && !url.reveal().starts_with("postgresql://")
                {
                    return Err(ConfigError::Unusable {
                        key: "database.url",
                        problem:
                            "must start with postgres:// (confer keeps its data in PostgreSQL only)"
                                .to_owned(),
                    });
                }
                DatabasePlace::Url(url)
            }
            None => DatabasePlace::Private {
                postgres_dir: self.postgres_dir,
                shared_buffers: self.shared_buffers.0,
            },
        };
        Ok(DatabaseConfig { place, max_connections: self.max_connections })
    }
}
