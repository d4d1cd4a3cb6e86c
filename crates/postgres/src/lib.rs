//! Runs a private, real Postgres for a single node and for tests.
//!
//! [`Installation::find`] says which binaries will run, [`Cluster::start`] makes the cluster on
//! first use and starts it, [`Cluster::url`] is what a connection pool takes, [`Cluster::stop`]
//! ends it. Everything here blocks (a first start takes about a second): call it from a thread
//! that may wait.
//!
//! What it guarantees: the server listens on one Unix socket that only its own user reaches; it
//! never runs as root; it ends cleanly when this process does, even by `kill -9`; two processes
//! never share one directory; settings that durability depends on stay as Postgres ships them
//! unless [`Durability::Scratch`] says that the data is worth nothing.
//!
//! Unix only. Start reading at `cluster.rs`.

mod account;
mod cluster;
mod error;
mod home;
mod installation;
mod pidfile;
mod settings;
mod tether;

pub use cluster::{Cluster, DATABASE, USER};
pub use error::{FindError, StartError, StopError};
pub use installation::{Installation, OLDEST_MAJOR, Origin, Version};
pub use settings::{Durability, Settings};
pub use tether::Tether;
