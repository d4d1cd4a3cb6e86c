use confer_protocol::chat::NewMessage;
use confer_protocol::id::{ClientMessageId, UserId};
use confer_protocol::room::UserInfo;

use super::*;

const ROOM: ConversationId = ConversationId(Uuid::from_u128(0xa));
const OTHER: ConversationId = ConversationId(Uuid::from_u128(0xb));
const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn outgoing(conversation: ConversationId, client_id: u128) -> Outgoing {
    Outgoing {
        conversation,
        sender: UserInfo { id: UserId(Uuid::from_u128(1)), name: "alice".to_owned(), guest: false },
        membership: Membership::Needed,
        message: NewMessage {
            client_id: ClientMessageId(Uuid::from_u128(client_id)),
            body: format!("message {client_id}"),
            reply_to: None,
        },
    }
}

fn member() -> Found {
    Found { stored: None, is_member: true }
}

fn stranger() -> Found {
    Found { stored: None, is_member: false }
}

fn head(last_seq: u64, last_event: u64) -> Head {
    Head { last_seq: MessageSeq(last_seq), last_event: EventSeq(last_event) }
}

fn seqs(plan: &Plan<'_>) -> Vec<Option<(u64, bool)>> {
    plan.outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Stored(receipt) => Some((receipt.seq.0, receipt.duplicate)),
            Outcome::NoSuchConversation
            | Outcome::UnknownReply
            | Outcome::Refused
            | Outcome::Away => None,
        })
        .collect()
}

#[test]
fn each_conversation_counts_on_from_its_own_head() {
    let batch = [outgoing(ROOM, 1), outgoing(OTHER, 2), outgoing(ROOM, 3)];
    let heads = HashMap::from([(ROOM, head(4, 9)), (OTHER, head(0, 1))]);
    let plan = number(&batch, &heads, &[member(), member(), member()], NOW);

    assert_eq!(seqs(&plan), [Some((5, false)), Some((1, false)), Some((6, false))]);
    assert_eq!(plan.heads, [(ROOM, head(6, 11)), (OTHER, head(1, 2))]);
    assert_eq!(plan.messages.len(), 3);
}

#[test]
fn a_retry_burns_no_number_whether_stored_or_in_the_same_batch() {
    let stored = Stored {
        id: MessageId(Uuid::from_u128(77)),
        seq: MessageSeq(2),
        event_seq: EventSeq(3),
        created_at: NOW,
    };
    let batch = [outgoing(ROOM, 1), outgoing(ROOM, 2), outgoing(ROOM, 2), outgoing(ROOM, 3)];
    let found = [Found { stored: Some(stored), is_member: false }, member(), member(), member()];
    let plan = number(&batch, &HashMap::from([(ROOM, head(4, 9))]), &found, NOW);

    assert_eq!(seqs(&plan), [Some((2, true)), Some((5, false)), Some((5, true)), Some((6, false))]);
    assert_eq!(plan.messages.len(), 2);
    assert_eq!(plan.heads, [(ROOM, head(6, 11))]);
}

#[test]
fn strangers_and_unknown_conversations_get_the_same_answer_and_no_number() {
    let batch = [outgoing(ROOM, 1), outgoing(OTHER, 2), outgoing(ROOM, 3)];
    let heads = HashMap::from([(ROOM, head(0, 0))]);
    let plan = number(&batch, &heads, &[stranger(), member(), member()], NOW);

    assert_eq!(plan.outcomes[0], Outcome::NoSuchConversation);
    assert_eq!(plan.outcomes[1], Outcome::NoSuchConversation);
    assert_eq!(seqs(&plan)[2], Some((1, false)));
}

#[test]
fn a_reply_must_name_a_message_that_is_there() {
    let mut first = outgoing(ROOM, 1);
    first.message.reply_to = Some(MessageSeq(4));
    let mut second = outgoing(ROOM, 2);
    second.message.reply_to = Some(MessageSeq(6));
    let heads = HashMap::from([(ROOM, head(4, 4))]);
    let plan = number(&[first, second], &heads, &[member(), member()], NOW)
        .outcomes
        .into_iter()
        .map(|outcome| matches!(outcome, Outcome::UnknownReply))
        .collect::<Vec<_>>();

    assert_eq!(plan, [false, true]);
}
