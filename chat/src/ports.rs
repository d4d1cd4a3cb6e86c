//! What the routes need of other parts. `server/src/assemble.rs` connects them.

use std::pin::Pin;

use confer_protocol::error::ErrorBody;
use confer_protocol::id::{RoomId, UserId};

/// What an asynchronous port returns.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who has which email address.
pub trait AddressBook: Send + Sync {
    /// The account with this address, if there is one.
    fn find_by_email<'a>(
        &'a self,
        email: &'a str,
    ) -> PortFuture<'a, Result<Option<UserId>, ErrorBody>>;
}

/// Who is in a call.
pub trait Calls: Send + Sync {
    /// How many participants are in the room's call now.
    fn in_call(&self, room: RoomId) -> u32;
}
