//! The relay on real sockets, driven by a client that says exactly what a test wants said.

mod abuse;
mod allocations;
mod client;
mod data_connections;
mod datagrams;
mod independent;
mod limits;
mod operations;
mod quotas;
mod removal;
mod restarts;
mod secured;
mod streams;
mod support;
