//! What a message must look like before it may queue with others.

use confer_protocol::chat::NewMessage;

use crate::config::Limits;
use crate::error::FieldError;

/// Checks everything that needs no database, so that nothing in a batch can make it fail.
pub(crate) fn check(message: &NewMessage, limits: &Limits) -> Result<(), FieldError> {
    check_text("body", &message.body, limits.body_chars)?;
    if message.client_id.0.is_nil() {
        return Err(FieldError::new("client_id", "must be a random UUID"));
    }
    if message.reply_to.is_some_and(|seq| seq.0 == 0) {
        return Err(FieldError::new("reply_to", "must name a message of this conversation"));
    }
    Ok(())
}

/// Checks a text that people see: present, not too long, storable.
pub(crate) fn check_text(field: &'static str, text: &str, limit: usize) -> Result<(), FieldError> {
    if text.trim().is_empty() {
        return Err(FieldError::new(field, "must not be empty"));
    }
    // A character is at most four bytes: the count is needed only near the limit.
    if text.len() > limit && text.chars().count() > limit {
        return Err(FieldError::new(field, format!("must have at most {limit} characters")));
    }
    // Postgres text cannot hold it.
    if text.contains('\0') {
        return Err(FieldError::new(field, "must not contain the character NUL"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use confer_protocol::chat::MessageSeq;
    use confer_protocol::id::ClientMessageId;
    use uuid::Uuid;

    use super::*;

    fn message(body: &str) -> NewMessage {
        NewMessage {
            client_id: ClientMessageId(Uuid::from_u128(7)),
            body: body.to_owned(),
            reply_to: None,
        }
    }

    fn problem(message: &NewMessage) -> Option<&'static str> {
        check(message, &Limits::default()).err().map(|error| error.field)
    }

    #[test]
    fn a_body_has_between_one_and_the_limit_of_characters_whatever_their_bytes() {
        assert_eq!(problem(&message("a")), None);
        assert_eq!(problem(&message(&"é".repeat(8000))), None);
        assert_eq!(problem(&message(&"é".repeat(8001))), Some("body"));
        assert_eq!(problem(&message("")), Some("body"));
        assert_eq!(problem(&message(" \n\t")), Some("body"));
    }

    #[test]
    fn what_postgres_cannot_store_is_refused_before_it_joins_a_batch() {
        assert_eq!(problem(&message("a\0b")), Some("body"));
    }

    #[test]
    fn a_reply_names_a_message_and_a_client_id_is_not_empty() {
        let reply = NewMessage { reply_to: Some(MessageSeq(0)), ..message("a") };
        assert_eq!(problem(&reply), Some("reply_to"));
        let unnamed = NewMessage { client_id: ClientMessageId(Uuid::nil()), ..message("a") };
        assert_eq!(problem(&unnamed), Some("client_id"));
    }
}
