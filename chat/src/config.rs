//! What an operator may set, and every limit with its default.

use std::time::Duration;

/// How the chat service behaves. Defaults are good for one node and for ten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub limits: Limits,
    /// How often the heads of watched conversations are compared with the database. Default: 1 s.
    ///
    /// This bounds how late anything arrives when a hint was lost; each round costs a primary key
    /// probe per watched conversation.
    pub sweep_interval: Duration,
    /// Least time between two writes of receipts. Default: 100 ms.
    pub receipt_interval: Duration,
    /// How long a batch of messages is tried again while the database is away, before its senders
    /// are told to try themselves. Default: 10 s.
    pub write_patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sweep_interval: Duration::from_secs(1),
            receipt_interval: Duration::from_millis(100),
            write_patience: Duration::from_secs(10),
        }
    }
}

/// What is refused for being too much. Each has its own error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Characters of a message. Default: 8000.
    pub body_chars: usize,
    /// Characters of a room's name. Default: 80.
    pub room_name_chars: usize,
    /// Messages of one page of history when none are asked for. Default: 50.
    pub history_page: u16,
    /// Messages of one page of history at most. Default: 200.
    pub history_page_most: u16,
    /// Events of one conversation in one answer. Default: 300.
    pub events_page: u16,
    /// A cursor that is further behind is told to reset: loading anew is cheaper. Default: 3000.
    pub events_behind: u64,
    /// Conversations one feed follows, those with the newest changes first. Default: 1000.
    pub conversations_per_feed: u16,
    /// Members a conversation shows, and up to which it has receipts of others. Default: 256.
    pub members_shown: u16,
    /// Unread messages are counted up to here. Default: 1000.
    pub unread_counted: u16,
    /// Members of a room. Default: 10 000.
    pub members_per_room: u32,
    /// Rooms one user may own. Default: 500.
    pub rooms_per_owner: u32,
    /// HTTP requests of one user a second, over time. Default: 50.
    pub requests_per_second: u32,
    /// HTTP requests of one user at once, after a pause. Default: 200.
    pub request_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_chars: 8000,
            room_name_chars: 80,
            history_page: 50,
            history_page_most: 200,
            events_page: 300,
            events_behind: 3000,
            conversations_per_feed: 1000,
            members_shown: 256,
            unread_counted: 1000,
            members_per_room: 10_000,
            rooms_per_owner: 500,
            requests_per_second: 50,
            request_burst: 200,
        }
    }
}
