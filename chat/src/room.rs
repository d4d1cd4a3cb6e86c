//! Rooms, direct conversations, and who belongs to them.
//!
//! Every change of membership is an event of the conversation's log, appended under the same lock
//! as messages.

use confer_auth::Identity;
use confer_protocol::Timestamp;
use confer_protocol::chat::{
    Change, Conversation, ConversationEvent, ConversationKind, EventSeq, MessageSeq,
};
use confer_protocol::id::{ConversationId, RoomId, UserId};
use confer_protocol::rest::RoomSummary;
use confer_protocol::room::{RoomInfo, UserInfo};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::access;
use crate::error::{ReadError, RoomError};
use crate::message::check_text;
use crate::service::ChatService;
use crate::sql;
use crate::sql::append::Head;
use crate::sql::event::MemberChange;
use crate::sql::member::Role;
use crate::sql::room::{Pair, Room};

impl ChatService {
    /// Makes a room with its conversation, owned by the caller, its first member.
    ///
    /// # Errors
    /// When the token does not permit it, the name breaks a rule, or the caller owns too many.
    pub async fn create_room(
        &self,
        identity: &Identity,
        name: &str,
    ) -> Result<RoomInfo, RoomError> {
        if !identity.grants.create {
            return Err(RoomError::NotGranted);
        }
        let name = name.trim();
        check_text("name", name, self.config.limits.room_name_chars)?;
        let limit = self.config.limits.rooms_per_owner;
        if sql::room::owned(&self.pool, identity.user_id()).await? >= i64::from(limit) {
            return Err(RoomError::TooMany { what: "rooms of yours", limit });
        }

        let room = RoomInfo { id: RoomId(Uuid::now_v7()), name: name.to_owned() };
        let mut transaction = self.pool.begin().await?;
        sql::room::insert_conversation(&mut transaction, room.id.conversation(), "room").await?;
        sql::room::insert(&mut transaction, &room, identity.user_id()).await?;
        let empty = Head { last_seq: MessageSeq(0), last_event: EventSeq(0) };
        add(&mut transaction, room.id.conversation(), identity.user_id(), Role::Owner, empty)
            .await?;
        let versions = sql::member::touch(&mut transaction, &mut [identity.user_id()]).await?;
        transaction.commit().await?;
        self.hint_memberships(&versions);
        Ok(room)
    }

    /// The room, whoever asks.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn room(&self, room: RoomId) -> Result<Option<Room>, ReadError> {
        Ok(sql::room::find(&self.pool, room).await?)
    }

    /// The rooms the identity is a member of, newest change first. Nobody is counted as being in a
    /// call: who knows that fills it in.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn rooms(&self, identity: &Identity) -> Result<Vec<RoomSummary>, ReadError> {
        self.room_summaries(identity, None).await
    }

    /// One room as the identity sees it: a member, or somebody whose token covers it.
    ///
    /// # Errors
    /// When there is no such room for this identity.
    pub async fn room_summary(
        &self,
        identity: &Identity,
        room: RoomId,
    ) -> Result<RoomSummary, ReadError> {
        let as_member = self.room_summaries(identity, Some(room)).await?.pop();
        if let Some(summary) = as_member {
            return Ok(summary);
        }
        if !identity.grants.covers(room, false) {
            return Err(ReadError::NotFound);
        }
        let found = sql::room::find(&self.pool, room).await?.ok_or(ReadError::NotFound)?;
        Ok(RoomSummary {
            room: found.info,
            owner: found.owner,
            in_call: 0,
            unread: 0,
            last_message_at: None,
            created_at: found.created_at,
        })
    }

    async fn room_summaries(
        &self,
        identity: &Identity,
        only: Option<RoomId>,
    ) -> Result<Vec<RoomSummary>, ReadError> {
        let mut entries = self.entries(identity, only.map(RoomId::conversation)).await?;
        entries.retain(|entry| entry.kind == ConversationKind::Room);
        let newest = self.newest_messages(&entries).await?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| {
                Some(RoomSummary {
                    owner: entry.owner?,
                    room: RoomInfo { id: entry.id.room(), name: entry.title },
                    in_call: 0,
                    unread: entry.unread,
                    last_message_at: newest.get(&entry.id).map(|message| message.created_at),
                    created_at: Timestamp(entry.created_at),
                })
            })
            .collect())
    }

    /// Whether the user is a member of the room now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn is_member(&self, room: RoomId, user: UserId) -> Result<bool, ReadError> {
        let standing = sql::member::standing(&self.pool, room.conversation(), user).await?;
        Ok(standing
            .and_then(|standing| standing.membership)
            .is_some_and(|member| member.is_active()))
    }

    /// Makes somebody a member. Nothing changes for whoever is one already.
    ///
    /// # Errors
    /// When there is no such room or it is full.
    pub async fn add_member(&self, room: RoomId, user: &UserInfo) -> Result<(), RoomError> {
        let conversation = room.conversation();
        // Most joins are of members; they need no lock.
        if self.is_member(room, user.id).await.map_err(room_error)? {
            return Ok(());
        }
        let mut transaction = self.pool.begin().await?;
        let head = lock_one(&mut transaction, conversation).await?;
        let standing = sql::member::standing(&mut *transaction, conversation, user.id).await?;
        let is_member = standing
            .and_then(|standing| standing.membership)
            .is_some_and(|member| member.is_active());
        if is_member {
            transaction.rollback().await?;
            return Ok(());
        }
        let limit = self.config.limits.members_per_room;
        let members = sql::member::count(&mut *transaction, conversation).await?;
        if u32::try_from(members).is_ok_and(|members| members >= limit) {
            return Err(RoomError::TooMany { what: "members of this room", limit });
        }
        let event_seq = add(&mut transaction, conversation, user.id, Role::Member, head).await?;
        let versions = sql::member::touch(&mut transaction, &mut [user.id]).await?;
        transaction.commit().await?;

        let change = Change::MemberAdded { user: user.clone() };
        self.hints().event(ConversationEvent { conversation, event_seq, change });
        self.hint_memberships(&versions);
        Ok(())
    }

    /// Ends a membership. Nothing changes for whoever is no member.
    ///
    /// # Errors
    /// When there is no such room.
    pub async fn remove_member(&self, room: RoomId, user: UserId) -> Result<(), RoomError> {
        let conversation = room.conversation();
        let mut transaction = self.pool.begin().await?;
        let head = lock_one(&mut transaction, conversation).await?;
        let standing = sql::member::standing(&mut *transaction, conversation, user).await?;
        let is_member = standing
            .and_then(|standing| standing.membership)
            .is_some_and(|member| member.is_active());
        if !is_member {
            transaction.rollback().await?;
            return Ok(());
        }
        let event_seq = EventSeq(head.last_event.0 + 1);
        sql::member::remove(&mut transaction, conversation, user, event_seq).await?;
        sql::event::append_member_change(
            &mut transaction,
            conversation,
            event_seq,
            MemberChange::Removed,
            user,
        )
        .await?;
        let versions = sql::member::touch(&mut transaction, &mut [user]).await?;
        transaction.commit().await?;

        let change = Change::MemberRemoved { user };
        self.hints().event(ConversationEvent { conversation, event_seq, change });
        self.hint_memberships(&versions);
        Ok(())
    }

    /// The direct conversation of the caller with somebody, made if there is none.
    ///
    /// # Errors
    /// When the token does not permit it or there is no such user.
    pub async fn open_direct(
        &self,
        identity: &Identity,
        other: UserId,
    ) -> Result<Conversation, RoomError> {
        if !identity.grants.create {
            return Err(RoomError::NotGranted);
        }
        let pair = Pair::new(identity.user_id(), other)
            .ok_or_else(|| crate::FieldError::new("email", "must be somebody else's"))?;
        let id = match sql::room::find_direct(&self.pool, pair).await? {
            Some(id) => id,
            None => self.make_direct(pair, other).await?,
        };
        if access::scope(&identity.grants, id).is_none() {
            return Err(RoomError::NotFound);
        }
        self.conversation(identity, id).await.map_err(room_error)
    }

    async fn make_direct(&self, pair: Pair, other: UserId) -> Result<ConversationId, RoomError> {
        if !sql::room::user_exists(&self.pool, other).await? {
            return Err(RoomError::NotFound);
        }
        let id = ConversationId(Uuid::now_v7());
        let mut transaction = self.pool.begin().await?;
        sql::room::insert_conversation(&mut transaction, id, "direct").await?;
        if !sql::room::insert_direct(&mut transaction, id, pair).await? {
            transaction.rollback().await?;
            // Whoever was faster has committed: the insert waited for it.
            return sql::room::find_direct(&self.pool, pair).await?.ok_or(RoomError::NotFound);
        }
        let mut head = Head { last_seq: MessageSeq(0), last_event: EventSeq(0) };
        for user in pair.users() {
            head.last_event = add(&mut transaction, id, user, Role::Member, head).await?;
        }
        let versions = sql::member::touch(&mut transaction, &mut pair.users()).await?;
        transaction.commit().await?;
        self.hint_memberships(&versions);
        Ok(id)
    }

    fn hint_memberships(&self, versions: &[(UserId, i64)]) {
        for (user, version) in versions {
            self.hints().memberships(*user, *version);
        }
    }
}

/// Adds a member and its event after `head`, which the caller has locked; returns the event.
async fn add(
    connection: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    role: Role,
    head: Head,
) -> sqlx::Result<EventSeq> {
    let event_seq = EventSeq(head.last_event.0 + 1);
    let joined = Head { last_seq: head.last_seq, last_event: event_seq };
    sql::member::insert(connection, conversation, user, role, joined).await?;
    sql::event::append_member_change(
        connection,
        conversation,
        event_seq,
        MemberChange::Added,
        user,
    )
    .await?;
    Ok(event_seq)
}

/// The first lock of every change of a log.
async fn lock_one(
    connection: &mut PgConnection,
    conversation: ConversationId,
) -> Result<Head, RoomError> {
    sql::append::lock(connection, &[conversation.0])
        .await?
        .remove(&conversation)
        .ok_or(RoomError::NotFound)
}

fn room_error(error: ReadError) -> RoomError {
    match error {
        ReadError::Invalid(field) => RoomError::Invalid(field),
        ReadError::NotGranted => RoomError::NotGranted,
        ReadError::NotFound => RoomError::NotFound,
        ReadError::Database(error) => RoomError::Database(error),
    }
}
