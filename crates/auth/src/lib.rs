//! Who somebody is and what they may do: identities, grants, access tokens, TURN credentials.
//!
//! Pure: `now` is an argument, keys are handed in, nothing is read or stored here. A token is
//! decoded and checked by this crate; whether its subject still exists or was revoked is asked of
//! `confer-accounts`, which then hands out the [`Identity`] every operation is checked against.

mod identity;

pub use identity::{Grants, Identity, RoomScope};
