//! What each part needs of the others, connected. No part knows another one; the traits are theirs,
//! the arrows between them are only here.

mod calls;
mod chat;
mod directory;
mod media;
mod rooms;

pub(crate) use calls::Calls;
pub(crate) use chat::Chat;
pub(crate) use directory::{AddressBook, Directory, IceUrls};
pub(crate) use media::{Media, NoMedia};
pub(crate) use rooms::Rooms;
