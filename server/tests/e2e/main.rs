//! The real binary, started as an operator starts it, used over the wire as clients use it.

mod calls;
mod chat;
mod client;
mod deploy;
mod durability;
mod guests;
mod http;
mod logs;
mod metrics;
mod process;
mod relay;
mod starting;
mod stopping;
mod tls;
