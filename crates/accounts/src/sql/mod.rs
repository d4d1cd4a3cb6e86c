//! All SQL about accounts, a file per noun. Times are arguments: the database's clock is not asked.

pub(crate) mod api_key;
pub(crate) mod credential;
pub(crate) mod family;
pub(crate) mod invite;
pub(crate) mod revocation;
pub(crate) mod user;
