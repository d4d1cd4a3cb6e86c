use confer_auth::Identity;
use confer_chat::{ChatService, Feed};
use confer_protocol::chat::{
    ConversationCursor, HistoryPage, HistoryQuery, MessageSeq, NewMessage, Receipt, SendReceipt,
};
use confer_protocol::error::ErrorBody;
use confer_protocol::id::{ConversationId, Epoch};
use confer_protocol::server::Notice;
use confer_signaling_core::ports::{ChatFeed, ChatPlane, PortFuture, SyncedFeed};

/// Chat, as signaling sees it.
pub(crate) struct Chat(pub(crate) ChatService);

impl ChatPlane for Chat {
    fn send<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
        message: NewMessage,
    ) -> PortFuture<'a, Result<SendReceipt, ErrorBody>> {
        Box::pin(async move { Ok(self.0.send(identity, conversation, message).await?) })
    }

    fn history<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
        query: HistoryQuery,
    ) -> PortFuture<'a, Result<HistoryPage, ErrorBody>> {
        Box::pin(async move { Ok(self.0.history(identity, conversation, query).await?) })
    }

    fn mark<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
        delivered: Option<MessageSeq>,
        read: Option<MessageSeq>,
    ) -> PortFuture<'a, Result<Receipt, ErrorBody>> {
        Box::pin(async move { Ok(self.0.mark(identity, conversation, delivered, read).await?) })
    }

    fn typing<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
    ) -> PortFuture<'a, Result<(), ErrorBody>> {
        Box::pin(async move { Ok(self.0.typing(identity, conversation).await?) })
    }

    fn sync<'a>(
        &'a self,
        identity: &'a Identity,
        chat_epoch: Option<Epoch>,
        cursors: Vec<ConversationCursor>,
    ) -> PortFuture<'a, Result<SyncedFeed, ErrorBody>> {
        Box::pin(async move {
            let (synced, feed) = self.0.sync(identity, chat_epoch, cursors).await?;
            Ok((synced, Box::new(Live(feed)) as Box<dyn ChatFeed>))
        })
    }
}

struct Live(Feed);

impl ChatFeed for Live {
    fn next(&mut self) -> PortFuture<'_, Option<Notice>> {
        Box::pin(self.0.next())
    }
}
