//! The chat service on a real Postgres. `make test` starts one and sets `TEST_DATABASE_URL`.

mod crash;
mod property;
mod receipts;
mod redis;
mod rooms;
mod routes;
mod schema;
mod send;
mod support;
mod sync;
