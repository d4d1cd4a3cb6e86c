//! How the server's log lines look and which are written.
//!
//! Parts log with `tracing`; only the binary decides, by [`log::init`], where that goes. Numbers
//! are not kept here: each part counts for itself and hands out a snapshot, which the server's
//! `/metrics` prints.
//!
//! Levels are a contract: per packet TRACE, a path not taken DEBUG, what a user notices INFO, what
//! may wake somebody WARN, broken ERROR. Addresses stand at DEBUG and below; tokens and what people
//! write, nowhere.

pub mod log;
