use std::path::PathBuf;

use super::error::ConfigError;
use super::section::section;
use super::value::Secret;

section! {
    /// `[redis]`: hints between several nodes. A single node needs none.
    pub(crate) struct RedisSection in "redis" {
        /// `redis://…` or `rediss://…`. The variable `REDIS_URL` sets it as well.
        ///
        /// Losing Redis costs latency, never data.
        url: Option<Secret> = None,

        /// File that holds the URL.
        url_file: Option<PathBuf> = None,
    }
}

impl RedisSection {
    /// The URL, or `None` for the bus inside this process.
    pub(super) fn resolve(self) -> Result<Option<Secret>, ConfigError> {
        match (self.url, super::secret_file("redis.url-file", self.url_file)?) {
            (Some(_), Some(_)) => {
                Err(ConfigError::Conflict { one: "redis.url", other: "redis.url-file" })
            }
            (url, from_file) => Ok(url.or(from_file)),
        }
    }
}
