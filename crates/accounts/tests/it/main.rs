//! The service and its routes on a real Postgres.

mod api_keys;
mod guests;
mod logins;
mod routes;
mod support;
