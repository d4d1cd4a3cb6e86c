//! The media plane's threads and sockets.
//!
//! [`start`] opens one UDP socket per shard, gives each a thread of its own, and returns the three
//! ends that the rest of the server holds: an [`SfuHandle`] for commands, a channel of events, and
//! [`Running`], whose end is the threads' end. What happens to a packet is decided in
//! `confer-sfu-core`; here it only comes in (`udp.rs`, or from the relay of the same process, `in_process.rs`), is
//! handed over (`driver.rs`) and goes out.
//!
//! Begin reading at `driver.rs`.

mod command_queue;
mod config;
mod driver;
mod error;
mod handle;
mod in_process;
mod placement;
mod running;
mod stats;
mod udp;

pub use config::Config;
pub use error::StartError;
pub use handle::SfuHandle;
pub use running::{Running, start, start_beside_relay};
pub use stats::{InProcessStats, ShardSnapshot, SocketStats};

/// How many events may wait for signaling, from all shards together. When it is full the shards
/// keep theirs and offer them again; media goes on.
pub const EVENT_CAPACITY: usize = 4096;

/// How many commands may wait for one shard. What is beyond is refused as `Unavailable`, except
/// for `Leave`, of which every participant has one.
pub const COMMAND_CAPACITY: usize = 1024;
