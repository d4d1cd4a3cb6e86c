//! A Postgres that flushes to disk, and fresh databases on it.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use confer_postgres::{Cluster, Installation, Settings};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use uuid::Uuid;

use crate::cpu;

/// Connections of the service under load, its default.
const POOL_SIZE: u32 = 10;

pub(crate) struct Database {
    options: PgConnectOptions,
    cluster: Option<(Cluster, tempfile::TempDir)>,
}

impl Database {
    pub(crate) fn start() -> Self {
        if let Ok(url) = std::env::var("BENCH_DATABASE_URL") {
            let options = PgConnectOptions::from_str(&url).expect("a Postgres URL");
            return Self { options, cluster: None };
        }
        // A cluster started as root runs as somebody else, who must be able to get there.
        let directory = tempfile::tempdir().expect("a writable temporary directory");
        let embedded =
            PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/postgres/embedded"));
        let installation =
            Installation::find(None, &[embedded]).expect("`scripts/setup run` installs Postgres");
        let cluster =
            Cluster::start(installation, &Settings::new(directory.path().join("postgres")))
                .expect("Postgres starts");
        let options = PgConnectOptions::from_str(&cluster.url("postgres")).expect("its own URL");
        Self { options, cluster: Some((cluster, directory)) }
    }

    pub(crate) fn version(&self) -> String {
        match &self.cluster {
            Some((cluster, _)) => cluster.installation().version().to_string(),
            None => "named by BENCH_DATABASE_URL".to_owned(),
        }
    }

    /// A migrated database nobody wrote to, on a server with nothing left to do.
    pub(crate) async fn fresh(&self) -> PgPool {
        let name = format!("confer_bench_{}", Uuid::new_v4().simple());
        let mut connection = self.options.connect().await.expect("the server lives");
        connection
            .execute(AssertSqlSafe(format!("CREATE DATABASE \"{name}\"")))
            .await
            .expect("the role may create databases");
        // What the last load wrote is on disk, and its log files are there to be used again: making
        // new ones stalls every commit, on a new server only.
        connection.execute("CHECKPOINT").await.expect("the role is a superuser");
        connection.close().await.expect("the server lives");
        let pool = PgPoolOptions::new()
            .max_connections(POOL_SIZE)
            .connect_with(self.options.clone().database(&name))
            .await
            .expect("the server lives");
        confer_chat::migrations().run(&pool).await.expect("the migrations apply");
        pool
    }

    /// Processor time that this Postgres has used, if it is on this machine.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        let (cluster, _) = self.cluster.as_ref()?;
        Some(cpu::of_tree(cluster.pid()))
    }

    pub(crate) fn stop(self) {
        if let Some((cluster, _directory)) = self.cluster {
            cluster.stop().expect("Postgres stops");
        }
    }
}
