//! Runs a private, real Postgres for a single node and for tests.
