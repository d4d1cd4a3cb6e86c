use std::time::Duration;

use confer_chat::{Config, Limits};

use super::section::section;

section! {
    /// `[chat]`: conversations and messages.
    pub(crate) struct ChatSection in "chat" {
        /// Characters of a message.
        message_length: usize = Limits::default().body_chars,

        /// Members of a room.
        members_per_room: u32 = Limits::default().members_per_room,

        /// Rooms one user may own.
        rooms_per_owner: u32 = Limits::default().rooms_per_owner,

        /// HTTP requests of one user a second, over time; more are told when to come again. 0 counts
        /// as 1.
        requests_per_second: u32 = Limits::default().requests_per_second,

        /// HTTP requests of one user at once, after a pause. 0 counts as 1.
        request_burst: u32 = Limits::default().request_burst,

        /// How often conversations that somebody watches are compared with the database.
        ///
        /// It bounds how late a message arrives when a hint between nodes was lost.
        sweep_interval: Duration = Config::default().sweep_interval,

        /// Least time between two writes of read marks.
        receipt_interval: Duration = Config::default().receipt_interval,

        /// How long messages are tried again while the database is away, before their senders are
        /// told to try themselves.
        write_patience: Duration = Config::default().write_patience,
    }
}

impl ChatSection {
    pub(super) fn resolve(self) -> Config {
        Config {
            limits: Limits {
                body_chars: self.message_length,
                members_per_room: self.members_per_room,
                rooms_per_owner: self.rooms_per_owner,
                requests_per_second: self.requests_per_second,
                request_burst: self.request_burst,
                ..Limits::default()
            },
            sweep_interval: self.sweep_interval,
            receipt_interval: self.receipt_interval,
            write_patience: self.write_patience,
        }
    }
}
