use std::time::Duration;

/// Everything signaling bounds, with defaults that suit one node serving people.
///
/// What a client does wrong by exceeding one is answered with an error that names the limit; only
/// abuse closes the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a new socket may take to present a token. Default: 5 s.
    pub auth_timeout: Duration,
    /// How often a client pings at least; it is closed after two and a half times as long without
    /// a frame. Default: 25 s, so that a hidden browser tab, whose timers fire once a minute,
    /// still makes it.
    pub heartbeat: Duration,
    /// How long before its token expires a client is told. Default: 60 s.
    pub expiry_notice: Duration,

    /// The largest frame a client may send. Default: 256 KiB.
    pub frame_bytes: usize,
    /// Frames a client may send on average. Default: 50 per second.
    pub frames_per_second: u32,
    /// Frames a client may send at once. Twice as many beyond it close the socket. Default: 200.
    pub frame_burst: u32,
    /// Bytes a client may send on average. Default: 128 KiB per second.
    pub bytes_per_second: u32,
    /// Bytes a client may send at once. Default: 2 MiB.
    pub byte_burst: u32,
    /// Requests of one socket that wait for their answers. Default: 64.
    pub requests_in_flight: usize,
    /// Frames without a readable request id before the socket is closed. Default: 3.
    pub malformed_frames: u32,

    /// The longest access token. Default: 8 KiB.
    pub token_bytes: usize,
    /// The longest session description. Default: 192 KiB.
    pub sdp_bytes: usize,
    /// The longest `mid`. Default: 32 bytes.
    pub mid_bytes: usize,
    /// The longest ICE candidate. Default: 1 KiB.
    pub candidate_bytes: usize,
    /// Subscription wishes in one request. Default: 512.
    pub wishes: usize,
    /// Slots of one kind a layout may ask for. Default: 128.
    pub layout_slots: u16,
    /// Conversations in one chat sync. Default: 2000.
    pub chat_cursors: usize,

    /// Sockets of one user, in rooms or not. Default: 32.
    pub sockets_per_user: usize,
    /// Rooms with somebody in them. Default: 10 000.
    pub rooms: usize,
    /// Participants of one room. Default: 500.
    pub participants_per_room: usize,
    /// Seats of one user in one room: devices and tabs. When they are all taken, the one that has
    /// been away longest is given up. Default: 8.
    pub seats_per_user: usize,
    /// Tracks one participant publishes. Default: 8.
    pub tracks_per_participant: usize,
    /// Tracks published in one room. Default: 2000.
    pub tracks_per_room: usize,

    /// How long a seat outlives its socket. Default: 30 s.
    pub grace: Duration,
    /// Events kept per seat for a resume; beyond them it gets a snapshot. Default: 256.
    pub replay_events: usize,
    /// How long the media plane may take to answer an offer. Default: 5 s.
    pub offer_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            auth_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(25),
            expiry_notice: Duration::from_secs(60),
            frame_bytes: 256 * 1024,
            frames_per_second: 50,
            frame_burst: 200,
            bytes_per_second: 128 * 1024,
            byte_burst: 2 * 1024 * 1024,
            requests_in_flight: 64,
            malformed_frames: 3,
            token_bytes: 8 * 1024,
            sdp_bytes: 192 * 1024,
            mid_bytes: 32,
            candidate_bytes: 1024,
            wishes: 512,
            layout_slots: 128,
            chat_cursors: 2000,
            sockets_per_user: 32,
            rooms: 10_000,
            participants_per_room: 500,
            seats_per_user: 8,
            tracks_per_participant: 8,
            tracks_per_room: 2000,
            grace: Duration::from_secs(30),
            replay_events: 256,
            offer_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// How long a socket may be silent.
    pub fn silence(&self) -> Duration {
        self.heartbeat * 5 / 2
    }
}
