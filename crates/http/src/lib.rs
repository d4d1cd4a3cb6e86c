//! What every HTTP route shares, so that all of them fail alike.
//!
//! A handler takes [`Caller`] for the checked identity and [`ApiJson`] for its body, and returns
//! [`ApiError`] made from a protocol `ErrorBody`. `server` puts the identity (or the reason there
//! is none) and the [`RequestId`] into the request before routes see it.

mod caller;
mod client_addr;
mod error;
mod json;

pub use caller::{Authentication, Caller, MaybeCaller};
pub use client_addr::ClientAddr;
pub use error::{ApiError, RequestId};
pub use json::{ApiJson, ApiPath, ApiQuery};
