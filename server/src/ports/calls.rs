use confer_protocol::id::RoomId;
use confer_signaling_core::ports::Presence;
use confer_signaling_net::Signaling;

/// Signaling, as chat's routes need it; `None` where this process runs none.
pub(crate) struct Calls(pub(crate) Option<Signaling>);

impl confer_chat::ports::Calls for Calls {
    fn in_call(&self, room: RoomId) -> u32 {
        self.0.as_ref().map_or(0, |signaling| signaling.in_call(room))
    }
}
