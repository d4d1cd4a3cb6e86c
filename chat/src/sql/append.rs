//! The send transaction: lock, look up, append. See the module `writer` for why in this order.

use std::collections::HashMap;

use confer_protocol::chat::{EventSeq, MessageSeq};
use confer_protocol::id::{ClientMessageId, ConversationId, MessageId, UserId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{from_db, to_db};

/// Where a conversation's two counters stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) last_seq: MessageSeq,
    pub(crate) last_event: EventSeq,
}

#[derive(sqlx::FromRow)]
struct HeadRow {
    id: Uuid,
    last_seq: i64,
    last_event: i64,
}

/// Locks the conversations that exist, in the order every writer locks them.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    conversations: &[Uuid],
) -> sqlx::Result<HashMap<ConversationId, Head>> {
    let rows: Vec<HeadRow> = sqlx::query_as(
        "SELECT id, last_seq, last_event FROM conversations
         WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(conversations)
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let head = Head {
                last_seq: MessageSeq(from_db(row.last_seq)),
                last_event: EventSeq(from_db(row.last_event)),
            };
            (ConversationId(row.id), head)
        })
        .collect())
}

/// One sender, one conversation, one client id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) conversation: ConversationId,
    pub(crate) sender: UserId,
    pub(crate) client_id: ClientMessageId,
}

/// What the database knows about one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) stored: Option<Stored>,
    pub(crate) is_member: bool,
}

/// A message that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: MessageId,
    pub(crate) seq: MessageSeq,
    pub(crate) event_seq: EventSeq,
    pub(crate) created_at: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct FoundRow {
    id: Option<Uuid>,
    seq: Option<i64>,
    event_seq: Option<i64>,
    created_at: Option<OffsetDateTime>,
    is_member: bool,
    now: OffsetDateTime,
}

/// Looks up each key, in order, and the database's time.
///
/// Must be a statement of its own after [`lock`]: under READ COMMITTED it then sees what the
/// previous holder of the lock committed.
pub(crate) async fn look_up(
    connection: &mut PgConnection,
    keys: &[Key],
) -> sqlx::Result<(Vec<Found>, OffsetDateTime)> {
    let conversations: Vec<Uuid> = keys.iter().map(|key| key.conversation.0).collect();
    let senders: Vec<Uuid> = keys.iter().map(|key| key.sender.0).collect();
    let client_ids: Vec<Uuid> = keys.iter().map(|key| key.client_id.0).collect();
    let rows: Vec<FoundRow> = sqlx::query_as(
        "SELECT m.id, m.seq, m.event_seq, m.created_at,
                p.user_id IS NOT NULL AS is_member, clock_timestamp() AS now
         FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[])
              WITH ORDINALITY AS k (conversation_id, sender_id, client_id, place)
         LEFT JOIN messages m USING (conversation_id, sender_id, client_id)
         LEFT JOIN members p ON p.conversation_id = k.conversation_id
              AND p.user_id = k.sender_id AND p.removed_event IS NULL
         ORDER BY k.place",
    )
    .bind(conversations)
    .bind(senders)
    .bind(client_ids)
    .fetch_all(connection)
    .await?;
    let now = rows.first().map_or(OffsetDateTime::UNIX_EPOCH, |row| row.now);
    let found = rows
        .into_iter()
        .map(|row| Found { stored: stored(&row), is_member: row.is_member })
        .collect();
    Ok((found, now))
}

fn stored(row: &FoundRow) -> Option<Stored> {
    Some(Stored {
        id: MessageId(row.id?),
        seq: MessageSeq(from_db(row.seq?)),
        event_seq: EventSeq(from_db(row.event_seq?)),
        created_at: row.created_at?,
    })
}

/// A message with its numbers, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered<'a> {
    pub(crate) key: Key,
    pub(crate) stored: Stored,
    pub(crate) body: &'a str,
    pub(crate) reply_to: Option<MessageSeq>,
}

/// Writes messages, their events and the new heads in one round trip: none of the three needs to
/// see another.
pub(crate) async fn append(
    connection: &mut PgConnection,
    messages: &[Numbered<'_>],
    heads: &[(ConversationId, Head)],
) -> sqlx::Result<()> {
    let of = |pick: fn(&Numbered<'_>) -> Uuid| -> Vec<Uuid> { messages.iter().map(pick).collect() };
    let number = |pick: fn(&Numbered<'_>) -> u64| -> Vec<i64> {
        messages.iter().map(|m| to_db(pick(m))).collect()
    };
    sqlx::query(
        "WITH new (conversation_id, seq, event_seq, id, sender_id, client_id, body, reply_to,
                   created_at) AS (
             SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::uuid[],
                                  $6::uuid[], $7::text[], $8::bigint[], $9::timestamptz[])
         ), written AS (
             INSERT INTO messages (conversation_id, seq, event_seq, id, sender_id, client_id, body,
                                   reply_to, created_at)
             SELECT * FROM new
         ), logged AS (
             INSERT INTO events (conversation_id, event_seq, kind, seq, user_id, at)
             SELECT conversation_id, event_seq, 'message_sent', seq, sender_id, created_at FROM new
         )
         UPDATE conversations c
         SET last_seq = h.last_seq, last_event = h.last_event, head_at = now()
         FROM UNNEST($10::uuid[], $11::bigint[], $12::bigint[]) AS h (id, last_seq, last_event)
         WHERE c.id = h.id",
    )
    .bind(of(|m| m.key.conversation.0))
    .bind(number(|m| m.stored.seq.0))
    .bind(number(|m| m.stored.event_seq.0))
    .bind(of(|m| m.stored.id.0))
    .bind(of(|m| m.key.sender.0))
    .bind(of(|m| m.key.client_id.0))
    .bind(messages.iter().map(|m| m.body).collect::<Vec<&str>>())
    .bind(messages.iter().map(|m| m.reply_to.map(|seq| to_db(seq.0))).collect::<Vec<Option<i64>>>())
    .bind(messages.iter().map(|m| m.stored.created_at).collect::<Vec<OffsetDateTime>>())
    .bind(heads.iter().map(|(id, _)| id.0).collect::<Vec<Uuid>>())
    .bind(heads.iter().map(|(_, head)| to_db(head.last_seq.0)).collect::<Vec<i64>>())
    .bind(heads.iter().map(|(_, head)| to_db(head.last_event.0)).collect::<Vec<i64>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What a writer's connection is set to.
///
/// A node that freezes inside a transaction must not hold its locks for longer than this, nor wait
/// for such a node for ever. And every statement here is a probe by key for each of its rows; while
/// a table is young, or its statistics are old, the planner would rather read all of it once per
/// batch.
pub(crate) async fn prepare_connection(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(
        "SELECT set_config('idle_in_transaction_session_timeout', '5s', false),
                set_config('lock_timeout', '5s', false),
                set_config('plan_cache_mode', 'force_generic_plan', false),
                set_config('enable_seqscan', 'off', false),
                set_config('enable_hashjoin', 'off', false),
                set_config('enable_mergejoin', 'off', false)",
    )
    .execute(connection)
    .await?;
    Ok(())
}
