//! One example of every message, as a small story: Alice and Bob meet in a room.

use confer_protocol::Timestamp;
use confer_protocol::chat::{
    CatchUp, Change, ConversationCursor, ConversationEvent, EventSeq, HistoryPage, HistoryQuery,
    Message, MessageSeq, NewMessage, Receipt, SendReceipt, Synced,
};
use confer_protocol::client::{ClientFrame, PublishIntent, Request, SubscriptionWish};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::{
    ClientMessageId, ConversationId, Epoch, MessageId, ParticipantId, RoomId, TrackId, UserId,
};
use confer_protocol::room::{
    MediaKind, ParticipantInfo, Permissions, RoomInfo, RoomSnapshot, SlotAssignment, SlotDemand,
    SlotMap, TrackInfo, TrackSource, UserInfo,
};
use confer_protocol::server::{
    Answer, IceServer, Joined, LeaveReason, Notice, PublishedMid, Reply, Resumed, RoomEvent,
    ServerFrame, TransportState, Welcome,
};
use uuid::Uuid;

const ROOM: RoomId = RoomId(id(0x01));
const CONVERSATION: ConversationId = ConversationId(id(0x01));
const ALICE: UserId = UserId(id(0xa1));
const BOB: UserId = UserId(id(0xb1));
const ALICE_HERE: ParticipantId = ParticipantId(id(0xa2));
const BOB_HERE: ParticipantId = ParticipantId(id(0xb2));
const ALICE_CAMERA: TrackId = TrackId(id(0xa3));
const BOB_MICROPHONE: TrackId = TrackId(id(0xb3));
const EPOCH: Epoch = Epoch(id(0xe1));
const CHAT_EPOCH: Epoch = Epoch(id(0xe2));
const TICKET: &str = "0GmTYTsyaOVYuz1JzXcZDw";

const fn id(last: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + last)
}

/// A frame per request.
pub(crate) fn client_frames() -> Vec<ClientFrame> {
    let requests = [
        Request::Auth { token: "eyJhbGciOiJIUzI1NiJ9.e30.signature".to_owned() },
        Request::Ping,
        Request::Join { room: ROOM },
        Request::Resume { ticket: TICKET.to_owned(), epoch: EPOCH, seq: 7 },
        Request::Leave,
        Request::Offer {
            offer_id: 1,
            sdp: "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned(),
            publish: vec![PublishIntent {
                mid: "0".into(),
                source: TrackSource::Camera,
                muted: false,
            }],
        },
        Request::Candidate {
            candidate: Some("candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host".to_owned()),
            mid: Some("0".into()),
        },
        Request::Mute { track: ALICE_CAMERA, muted: true },
        Request::Unpublish { track: ALICE_CAMERA },
        Request::Subscribe {
            wishes: vec![SubscriptionWish { track: BOB_MICROPHONE, wanted: true, pinned: true }],
            layout: SlotDemand { audio: 4, video: 9 },
        },
        Request::IceServers,
        Request::Remove { participant: BOB_HERE },
        Request::ChatSend {
            conversation: CONVERSATION,
            message: NewMessage {
                client_id: ClientMessageId(id(0xc1)),
                body: "Hello!".to_owned(),
                reply_to: Some(MessageSeq(1)),
            },
        },
        Request::ChatHistory {
            conversation: CONVERSATION,
            query: HistoryQuery { before: Some(MessageSeq(41)), after: None, limit: Some(20) },
        },
        Request::ChatMark {
            conversation: CONVERSATION,
            delivered: Some(MessageSeq(2)),
            read: Some(MessageSeq(1)),
        },
        Request::ChatSync {
            chat_epoch: Some(CHAT_EPOCH),
            cursors: vec![ConversationCursor {
                conversation: CONVERSATION,
                event_seq: EventSeq(1),
            }],
        },
        Request::ChatTyping { conversation: CONVERSATION },
    ];
    (1..).zip(requests).map(|(id, request)| ClientFrame { id, request }).collect()
}

/// A frame per reply, event, notice and error code, and the welcome.
pub(crate) fn server_frames() -> Vec<ServerFrame> {
    let welcome = ServerFrame::Welcome(Welcome {
        user: alice(),
        server: "confer 0.1.0".to_owned(),
        heartbeat_ms: 20_000,
        max_frame_bytes: 262_144,
    });
    let results =
        (1..).zip(replies()).map(|(re, result)| ServerFrame::Result { re, result: result.clone() });
    let events = (8..).zip(events()).map(|(seq, event)| ServerFrame::Event { seq, event });
    let notices = notices().into_iter().map(|notice| ServerFrame::Notice { notice });
    std::iter::once(welcome)
        .chain(results.collect::<Vec<_>>())
        .chain(events)
        .chain(notices)
        .chain(ErrorCode::ALL.iter().map(|code| error(*code)))
        .collect()
}

fn replies() -> Vec<Reply> {
    vec![
        Reply::Auth,
        Reply::Ping,
        Reply::Join(Box::new(Joined {
            participant: ALICE_HERE,
            permissions: Permissions {
                publish: TrackSource::ALL.to_vec(),
                subscribe: true,
                chat_read: true,
                chat_write: true,
                moderate: false,
            },
            epoch: EPOCH,
            seq: 0,
            resume_ticket: TICKET.to_owned(),
            grace_ms: 30_000,
            ice_servers: ice_servers(),
            snapshot: snapshot(),
        })),
        Reply::Resume(Box::new(Resumed {
            participant: ALICE_HERE,
            seq: 9,
            resume_ticket: TICKET.to_owned(),
            ice_servers: ice_servers(),
            snapshot: None,
        })),
        Reply::Leave,
        Reply::Offer(Answer {
            offer_id: 1,
            sdp: "v=0\r\no=- 2 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned(),
            published: vec![PublishedMid { mid: "0".into(), track: ALICE_CAMERA }],
            slots: slots(),
        }),
        Reply::Candidate,
        Reply::Mute,
        Reply::Unpublish,
        Reply::Subscribe,
        Reply::IceServers { ice_servers: ice_servers() },
        Reply::Remove,
        Reply::ChatSend(SendReceipt {
            id: MessageId(id(0xd1)),
            seq: MessageSeq(2),
            event_seq: EventSeq(3),
            created_at: moment(),
            duplicate: false,
        }),
        Reply::ChatHistory(HistoryPage { messages: vec![message()], more: true }),
        Reply::ChatMark(receipt()),
        Reply::ChatSync(Synced {
            chat_epoch: CHAT_EPOCH,
            conversations: vec![CatchUp {
                conversation: CONVERSATION,
                reset: false,
                events: vec![
                    ConversationEvent {
                        conversation: CONVERSATION,
                        event_seq: EventSeq(2),
                        change: Change::MemberAdded { user: bob() },
                    },
                    message_sent(),
                ],
                more: false,
                receipts: vec![receipt()],
            }],
        }),
        Reply::ChatTyping,
    ]
}

fn events() -> Vec<RoomEvent> {
    vec![
        RoomEvent::ParticipantJoined {
            participant: ParticipantInfo {
                id: BOB_HERE,
                user: bob(),
                away: false,
                tracks: Vec::new(),
            },
        },
        RoomEvent::ParticipantLeft { participant: BOB_HERE, reason: LeaveReason::ConnectionLost },
        RoomEvent::ParticipantAway { participant: BOB_HERE, away: true },
        RoomEvent::TrackPublished { track: bob_microphone() },
        RoomEvent::TrackUnpublished { participant: BOB_HERE, track: BOB_MICROPHONE },
        RoomEvent::TrackMuted { participant: BOB_HERE, track: BOB_MICROPHONE, muted: true },
        RoomEvent::SlotsChanged { slots: slots() },
        RoomEvent::TransportChanged { state: TransportState::Connected },
        RoomEvent::Removed { reason: LeaveReason::Removed },
    ]
}

fn notices() -> Vec<Notice> {
    vec![
        Notice::Speakers { speakers: vec![BOB_HERE, ALICE_HERE] },
        Notice::ChatEvent { event: message_sent() },
        Notice::ChatReceipt { receipt: receipt() },
        Notice::ChatTyping { conversation: CONVERSATION, user: BOB },
        Notice::TokenExpiring { in_ms: 60_000 },
        Notice::Draining { retry_after_ms: 1_500 },
    ]
}

fn error(code: ErrorCode) -> ServerFrame {
    let mut error = ErrorBody::new(code, "What is wrong, and what to do next.");
    let mut re = Some(3);
    match code {
        ErrorCode::Malformed => re = None,
        ErrorCode::Invalid => error = error.with_field("wishes", "has more than 512 entries"),
        ErrorCode::RateLimited | ErrorCode::Draining | ErrorCode::Unavailable => {
            error.retry_after_ms = Some(1_500);
        }
        _ => {}
    }
    ServerFrame::Error { re, error }
}

fn alice() -> UserInfo {
    UserInfo { id: ALICE, name: "Alice".to_owned(), guest: false }
}

fn bob() -> UserInfo {
    UserInfo { id: BOB, name: "Bob".to_owned(), guest: true }
}

fn bob_microphone() -> TrackInfo {
    TrackInfo {
        id: BOB_MICROPHONE,
        participant: BOB_HERE,
        kind: MediaKind::Audio,
        source: TrackSource::Microphone,
        muted: false,
    }
}

fn slots() -> SlotMap {
    SlotMap {
        version: 4,
        slots: vec![
            SlotAssignment { mid: "1".into(), track: Some(BOB_MICROPHONE) },
            SlotAssignment { mid: "2".into(), track: None },
        ],
        wanted: SlotDemand { audio: 1, video: 0 },
    }
}

fn snapshot() -> RoomSnapshot {
    RoomSnapshot {
        room: RoomInfo { id: ROOM, name: "Kitchen".to_owned() },
        participants: vec![
            ParticipantInfo {
                id: BOB_HERE,
                user: bob(),
                away: false,
                tracks: vec![bob_microphone()],
            },
            ParticipantInfo { id: ALICE_HERE, user: alice(), away: false, tracks: Vec::new() },
        ],
        slots: SlotMap::default(),
    }
}

fn ice_servers() -> Vec<IceServer> {
    vec![
        IceServer {
            urls: vec!["stun:confer.example:3478".to_owned()],
            username: None,
            credential: None,
        },
        IceServer {
            urls: vec!["turn:confer.example:3478?transport=udp".to_owned()],
            username: Some("1795219200:alice".to_owned()),
            credential: Some("c2VjcmV0".to_owned()),
        },
    ]
}

fn message() -> Message {
    Message {
        id: MessageId(id(0xd1)),
        conversation: CONVERSATION,
        seq: MessageSeq(2),
        client_id: ClientMessageId(id(0xc1)),
        sender: alice(),
        body: "Hello!".to_owned(),
        reply_to: Some(MessageSeq(1)),
        created_at: moment(),
    }
}

fn message_sent() -> ConversationEvent {
    ConversationEvent {
        conversation: CONVERSATION,
        event_seq: EventSeq(3),
        change: Change::MessageSent { message: message() },
    }
}

fn receipt() -> Receipt {
    Receipt { conversation: CONVERSATION, user: BOB, delivered: MessageSeq(2), read: MessageSeq(1) }
}

fn moment() -> Timestamp {
    time::macros::datetime!(2026-01-02 03:04:05.678 UTC).into()
}
