//! The way between the relay and the media plane, where one process has both.

use confer_inprocess::{MediaEnd, RelayEnd, connect};

use super::addresses;
use crate::config::{Config, Role};

/// Each thread's end of the way; none where it leads nowhere or is turned off.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) relay: Vec<RelayEnd>,
    pub(super) media: Vec<MediaEnd>,
}

impl Ends {
    pub(super) fn of(config: &Config) -> Self {
        let ring_bytes = config.turn.in_process_buffer;
        if !config.runs(Role::Sfu) || !config.runs(Role::Turn) || ring_bytes == 0 {
            return Self::default();
        }
        let threads = config.turn.threads;
        let turn = confer_turn_net::Config { threads, ..confer_turn_net::Config::default() };
        let (relay, media) = connect(&confer_inprocess::Config {
            relay_threads: turn.thread_count(),
            media_threads: config.rtc.shards.into(),
            relayed: addresses::external_addresses(config),
            ring_bytes,
        });
        Self { relay, media }
    }
}
