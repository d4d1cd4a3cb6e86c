use std::time::Duration;

use confer_signaling_core::Limits;

use super::error::ConfigError;
use super::section::section;
use super::unit::ByteSize;

section! {
    /// `[signaling]`: rooms and the WebSocket.
    pub(crate) struct SignalingSection in "signaling" {
        /// How long a seat in a room outlives its socket.
        ///
        /// Within it a client that lost its network comes back without others seeing it leave.
        grace: Duration = Limits::default().grace,

        /// How often a client pings at least; it is dropped after two and a half times as long.
        ///
        /// Below 25 s, hidden browser tabs lose their sockets, because their timers are slowed.
        heartbeat: Duration = Limits::default().heartbeat,

        /// Participants of one room. A further one is told that the room is full.
        participants_per_room: usize = Limits::default().participants_per_room,

        /// Rooms with somebody in them.
        rooms: usize = Limits::default().rooms,

        /// Sockets of one user, in rooms or not.
        sockets_per_user: usize = Limits::default().sockets_per_user,

        /// Devices and tabs of one user in one room.
        seats_per_user: usize = Limits::default().seats_per_user,

        /// Tracks one participant publishes.
        tracks_per_participant: usize = Limits::default().tracks_per_participant,

        /// Tracks published in one room.
        tracks_per_room: usize = Limits::default().tracks_per_room,

        /// Frames a client may send per second, on average.
        ///
        /// More is refused, much more closes the socket. Bots that write much need more.
        frames_per_second: u32 = Limits::default().frames_per_second,

        /// Frames a client may send at once.
        frame_burst: u32 = Limits::default().frame_burst,

        /// Data a client may send per second, on average.
        bytes_per_second: ByteSize = ByteSize(Limits::default().bytes_per_second as usize),

        /// Data a client may send at once.
        byte_burst: ByteSize = ByteSize(Limits::default().byte_burst as usize),

        /// The largest frame a client may send.
        frame_size: ByteSize = ByteSize(Limits::default().frame_bytes),
    }
}

impl SignalingSection {
    pub(super) fn resolve(self) -> Result<Limits, ConfigError> {
        let rate = |key, size: ByteSize| {
            u32::try_from(size.0).map_err(|_| ConfigError::Unusable {
                key,
                problem: "must be below 4GiB".to_owned(),
            })
        };
        if self.heartbeat < Duration::from_secs(1) {
            let problem = "must be at least \"1s\"".to_owned();
            return Err(ConfigError::Unusable { key: "signaling.heartbeat", problem });
        }
        Ok(Limits {
            grace: self.grace,
            heartbeat: self.heartbeat,
            participants_per_room: self.participants_per_room,
            rooms: self.rooms,
            sockets_per_user: self.sockets_per_user,
            seats_per_user: self.seats_per_user,
            tracks_per_participant: self.tracks_per_participant,
            tracks_per_room: self.tracks_per_room,
            frames_per_second: self.frames_per_second,
            frame_burst: self.frame_burst,
            bytes_per_second: rate("signaling.bytes-per-second", self.bytes_per_second)?,
            byte_burst: rate("signaling.byte-burst", self.byte_burst)?,
            frame_bytes: self.frame_size.0,
            ..Limits::default()
        })
    }
}
