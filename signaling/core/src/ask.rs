use confer_protocol::chat::{ConversationCursor, HistoryQuery, MessageSeq, NewMessage};
use confer_protocol::client::{PublishIntent, Request, SubscriptionWish};
use confer_protocol::id::{ConversationId, Epoch, ParticipantId, RoomId, TrackId};
use confer_protocol::room::SlotDemand;

/// A request that the session does not answer alone, by who does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The directory admits, then the hub seats.
    Join {
        room: RoomId,
    },
    Resume(ResumeAsk),
    /// The directory mints them, the hub hands them to somebody with a seat.
    IceServers,
    /// The hub answers it.
    Room(RoomAsk),
    /// The chat plane answers it.
    Chat(ChatAsk),
}

/// The wish to take an earlier seat again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeAsk {
    pub ticket: String,
    pub epoch: Epoch,
    pub seq: u64,
}

/// What somebody with a seat asks of the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomAsk {
    Leave,
    Offer { offer_id: u32, sdp: String, publish: Vec<PublishIntent> },
    Candidate { candidate: Option<String> },
    Mute { track: TrackId, muted: bool },
    Unpublish { track: TrackId },
    Subscribe { wishes: Vec<SubscriptionWish>, layout: SlotDemand },
    Remove { participant: ParticipantId },
}

/// What is asked of the chat plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatAsk {
    Send { conversation: ConversationId, message: NewMessage },
    History { conversation: ConversationId, query: HistoryQuery },
    Mark { conversation: ConversationId, delivered: Option<MessageSeq>, read: Option<MessageSeq> },
    Sync { chat_epoch: Option<Epoch>, cursors: Vec<ConversationCursor> },
    Typing { conversation: ConversationId },
}

/// A request, sorted.
pub(crate) enum Sorted {
    Auth { token: String },
    Ping,
    Ask(Ask),
}

impl From<Request> for Sorted {
    fn from(request: Request) -> Self {
        let ask = match request {
            Request::Auth { token } => return Self::Auth { token },
            Request::Ping => return Self::Ping,
            Request::Join { room } => Ask::Join { room },
            Request::Resume { ticket, epoch, seq } => Ask::Resume(ResumeAsk { ticket, epoch, seq }),
            Request::Leave => Ask::Room(RoomAsk::Leave),
            Request::Offer { offer_id, sdp, publish } => {
                Ask::Room(RoomAsk::Offer { offer_id, sdp, publish })
            }
            // The agent is ICE-lite with one transport: the m-line adds nothing.
            Request::Candidate { candidate, mid: _ } => Ask::Room(RoomAsk::Candidate { candidate }),
            Request::Mute { track, muted } => Ask::Room(RoomAsk::Mute { track, muted }),
            Request::Unpublish { track } => Ask::Room(RoomAsk::Unpublish { track }),
            Request::Subscribe { wishes, layout } => {
                Ask::Room(RoomAsk::Subscribe { wishes, layout })
            }
            Request::IceServers => Ask::IceServers,
            Request::Remove { participant } => Ask::Room(RoomAsk::Remove { participant }),
            Request::ChatSend { conversation, message } => {
                Ask::Chat(ChatAsk::Send { conversation, message })
            }
            Request::ChatHistory { conversation, query } => {
                Ask::Chat(ChatAsk::History { conversation, query })
            }
            Request::ChatMark { conversation, delivered, read } => {
                Ask::Chat(ChatAsk::Mark { conversation, delivered, read })
            }
            Request::ChatSync { chat_epoch, cursors } => {
                Ask::Chat(ChatAsk::Sync { chat_epoch, cursors })
            }
            Request::ChatTyping { conversation } => Ask::Chat(ChatAsk::Typing { conversation }),
        };
        Self::Ask(ask)
    }
}
