//! What tests need of the outside: a fresh, migrated database each, and a [`RedisServer`] to kill.
//!
//! `TEST_DATABASE_URL` names a server and a role that may create databases; `make test` starts one
//! and sets it. The migrations are applied once to a template; each test then gets a copy of it
//! (about 30 ms) and no test sees what another one wrote.
//!
//! ```no_run
//! # async fn example() {
//! let database = confer_testdb::TestDatabase::create().await;
//! let pool = database.pool();
//! # }
//! ```

mod redis;

use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use uuid::Uuid;

pub use crate::redis::RedisServer;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Serialises the making of the template among test processes; any number nobody else uses.
const TEMPLATE_LOCK: i64 = 0x636f_6e66_6572;

/// Connections of the pool a test gets.
const POOL_SIZE: u32 = 8;

/// One test's database; dropped, with everything connected to it, when this is.
pub struct TestDatabase {
    admin: PgConnectOptions,
    name: String,
    pool: PgPool,
}

#[derive(Clone, Copy)]
enum Contents {
    Migrated,
    Nothing,
}

impl TestDatabase {
    /// Makes a database with all migrations applied.
    ///
    /// # Panics
    /// When there is no server to make it on: a test without its database has not run.
    pub async fn create() -> Self {
        Self::make(Contents::Migrated).await
    }

    /// Makes a database with nothing in it.
    ///
    /// # Panics
    /// When there is no server to make it on.
    pub async fn create_empty() -> Self {
        Self::make(Contents::Nothing).await
    }

    async fn make(contents: Contents) -> Self {
        let admin = admin_options();
        let name = format!("confer_test_{}", Uuid::new_v4().simple());
        let mut connection =
            admin.connect().await.expect("TEST_DATABASE_URL is reachable; `make test` sees to it");
        let template = match contents {
            Contents::Migrated => template(&admin, &mut connection).await,
            Contents::Nothing => "template0".to_owned(),
        };
        let create =
            format!("CREATE DATABASE \"{name}\" TEMPLATE \"{template}\" STRATEGY file_copy");
        connection.execute(AssertSqlSafe(create)).await.expect("the role may create databases");
        connection.close().await.expect("the server is there");

        let pool = PgPoolOptions::new()
            .max_connections(POOL_SIZE)
            .acquire_timeout(Duration::from_secs(20))
            .connect_lazy_with(admin.clone().database(&name));
        Self { admin, name, pool }
    }

    /// A pool on this database.
    pub fn pool(&self) -> PgPool {
        self.pool.clone()
    }

    /// How to open further connections or pools to this database.
    pub fn options(&self) -> PgConnectOptions {
        self.admin.clone().database(&self.name)
    }

    /// Writes a user the way accounts does, for tests that need nothing but its row.
    ///
    /// # Panics
    /// When the row cannot be written.
    pub async fn add_user(&self, name: &str) -> Uuid {
        let id = Uuid::now_v7();
        sqlx::query("INSERT INTO users (id, name, kind) VALUES ($1, $2, 'account')")
            .bind(id)
            .bind(name)
            .execute(&self.pool)
            .await
            .expect("a user has a name and a kind, and no other duty");
        id
    }
}

impl Drop for TestDatabase {
    /// A thread of its own with a runtime of its own: a test's runtime cannot wait while it drops.
    fn drop(&mut self) {
        let admin = self.admin.clone();
        let statement =
            AssertSqlSafe(format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name));
        let dropped = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                return;
            };
            runtime.block_on(async {
                // A server that is gone already has nothing left to drop.
                if let Ok(mut connection) = admin.connect().await {
                    let _ = connection.execute(statement).await;
                }
            });
        });
        let _ = dropped.join();
    }
}

fn admin_options() -> PgConnectOptions {
    let url = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL names no Postgres: run the tests with `make test`");
    PgConnectOptions::from_str(&url).expect("TEST_DATABASE_URL is a Postgres URL")
}

/// Name of the database that holds exactly today's migrations, made on first use.
async fn template(admin: &PgConnectOptions, connection: &mut PgConnection) -> String {
    let name = format!("confer_template_{:016x}", fingerprint());
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut *connection)
        .await
        .expect("advisory locks need no privilege");
    let exists: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(&name)
            .fetch_one(&mut *connection)
            .await
            .expect("the list of databases is public");
    if !exists {
        // Under another name until it is complete, so that a killed test leaves no half of one.
        let unfinished = format!("{name}_{}", Uuid::new_v4().simple());
        connection
            .execute(AssertSqlSafe(format!("CREATE DATABASE \"{unfinished}\" TEMPLATE template0")))
            .await
            .expect("the role may create databases");
        let mut inside = admin.clone().database(&unfinished).connect().await.expect("just made");
        MIGRATIONS.run(&mut inside).await.expect("the migrations apply to an empty database");
        inside.close().await.expect("the server is there");
        connection
            .execute(AssertSqlSafe(format!("ALTER DATABASE \"{unfinished}\" RENAME TO \"{name}\"")))
            .await
            .expect("nobody else knows this database");
    }
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(TEMPLATE_LOCK)
        .execute(&mut *connection)
        .await
        .expect("the lock is held");
    name
}

/// FNV-1a over the checksums of all migrations.
fn fingerprint() -> u64 {
    MIGRATIONS
        .iter()
        .flat_map(|migration| migration.checksum.iter())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}
