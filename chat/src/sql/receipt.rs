//! How far members are, and since when.

use std::collections::HashMap;

use confer_protocol::chat::MessageSeq;
use confer_protocol::id::{ConversationId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{from_db, to_db};

/// One member's two cursors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursors {
    pub(crate) delivered: MessageSeq,
    pub(crate) read: MessageSeq,
}

/// A member's cursors and the newest message they could stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Locked {
    pub(crate) cursors: Cursors,
    pub(crate) last_seq: MessageSeq,
    /// How many members the conversation has.
    pub(crate) members: u32,
}

#[derive(sqlx::FromRow)]
struct LockedRow {
    conversation_id: Uuid,
    user_id: Uuid,
    delivered_seq: i64,
    read_seq: i64,
    last_seq: i64,
    members: i32,
}

/// One member of one conversation.
pub(crate) type Place = (ConversationId, UserId);

/// Locks the cursors of those who are members, in the order every writer locks them.
///
/// The transaction need not be flushed to disk before it is acknowledged: what a crash of the
/// machine takes back, clients say again. And it probes by key, whatever the planner thinks of a
/// young table.
pub(crate) async fn lock(
    connection: &mut PgConnection,
    places: &[Place],
) -> sqlx::Result<HashMap<Place, Locked>> {
    sqlx::query(
        "SELECT set_config('synchronous_commit', 'off', true),
                set_config('enable_seqscan', 'off', true),
                set_config('enable_hashjoin', 'off', true),
                set_config('enable_mergejoin', 'off', true)",
    )
    .execute(&mut *connection)
    .await?;
    let rows: Vec<LockedRow> = sqlx::query_as(
        "SELECT p.conversation_id, p.user_id, p.delivered_seq, p.read_seq, c.last_seq, c.members
         FROM UNNEST($1::uuid[], $2::uuid[]) AS k (conversation_id, user_id)
         JOIN members p USING (conversation_id, user_id)
         JOIN conversations c ON c.id = p.conversation_id
         WHERE p.removed_event IS NULL
         ORDER BY p.conversation_id, p.user_id FOR NO KEY UPDATE OF p",
    )
    .bind(places.iter().map(|(conversation, _)| conversation.0).collect::<Vec<Uuid>>())
    .bind(places.iter().map(|(_, user)| user.0).collect::<Vec<Uuid>>())
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let locked = Locked {
                cursors: Cursors {
                    delivered: MessageSeq(from_db(row.delivered_seq)),
                    read: MessageSeq(from_db(row.read_seq)),
                },
                last_seq: MessageSeq(from_db(row.last_seq)),
                members: u32::try_from(row.members).unwrap_or(0),
            };
            ((ConversationId(row.conversation_id), UserId(row.user_id)), locked)
        })
        .collect())
}

/// A cursor that moves, and where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advance {
    pub(crate) place: Place,
    pub(crate) from: Cursors,
    pub(crate) to: Cursors,
    pub(crate) members: u32,
}

/// Moves cursors and logs each move. The caller holds the locks.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    advances: &[Advance],
) -> sqlx::Result<()> {
    let number = |pick: fn(&Advance) -> u64| -> Vec<i64> {
        advances.iter().map(|a| to_db(pick(a))).collect()
    };
    sqlx::query(
        "WITH moved (conversation_id, user_id, from_delivered, to_delivered, from_read, to_read) AS (
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[],
                                  $5::bigint[], $6::bigint[])
         ), logged AS (
             INSERT INTO receipt_log (conversation_id, user_id, kind, from_seq, to_seq)
             SELECT conversation_id, user_id, 'delivered', from_delivered, to_delivered
             FROM moved WHERE to_delivered > from_delivered
             UNION ALL
             SELECT conversation_id, user_id, 'read', from_read, to_read
             FROM moved WHERE to_read > from_read
         )
         UPDATE members p SET delivered_seq = m.to_delivered, read_seq = m.to_read
         FROM moved m WHERE p.conversation_id = m.conversation_id AND p.user_id = m.user_id",
    )
    .bind(advances.iter().map(|a| a.place.0.0).collect::<Vec<Uuid>>())
    .bind(advances.iter().map(|a| a.place.1.0).collect::<Vec<Uuid>>())
    .bind(number(|a| a.from.delivered.0))
    .bind(number(|a| a.to.delivered.0))
    .bind(number(|a| a.from.read.0))
    .bind(number(|a| a.to.read.0))
    .execute(connection)
    .await?;
    Ok(())
}
