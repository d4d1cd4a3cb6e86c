//! The bundled relay's sockets: UDP, TCP and TLS listeners, and a socket per relayed address.
//!
//! [`start`] binds everything and returns once clients can be answered. It starts [`Config::threads`]
//! threads, each with its own sockets for datagrams and its own `Server` of `confer-turn-core`
//! that decides; a client stays on one thread, so no packet waits for a lock or another thread.
//!
//! The way of a datagram: [`udp`] (batches into an [`inbox`]) → [`shard`] (whose is it) → [`relaying`] (the core
//! decides) → [`run`] (what goes together) → [`udp`] (runs out). Streams are read by tasks of the
//! runtime, which hand whole frames to a thread ([`stream`]), both ways in buffers of a [`pool`]; to
//! plain TCP, a thread writes by itself while the client keeps up ([`queue`]). What is for
//! media threads of the same process passes no socket ([`in_process`]). Every queue is bounded; what does not
//! fit is lost, as in a network, and counted ([`StatsSnapshot`]).

mod alarm;
mod certificate;
mod config;
mod dtls;
mod full;
mod handle;
mod icmp;
mod in_process;
mod inbox;
mod ledger;
mod link;
mod pool;
mod queue;
mod relaying;
mod relays;
mod run;
mod running;
mod shard;
mod stats;
mod stream;
mod tcp_relay;
mod udp;

pub use certificate::{Certificate, CertificateError};
pub use confer_turn_core::{Event, SessionInfo, Transport};
pub use config::{Config, Limits, Listener, RelayAddress, StartError};
pub use handle::TurnHandle;
pub use running::{Running, start, start_beside_media};
pub use stats::{BYTES_BOUNDS, DURATION_BOUNDS, Histogram, StatsSnapshot};
pub use stream::proxy;
