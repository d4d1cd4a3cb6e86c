//! Registration, passwords, refresh tokens, guests and invites, and their SQL.
//!
//! [`Accounts`] is the service: a cheap handle, given to the HTTP routes of [`routes()`] and to
//! whoever must turn a token into an `Identity`. It asks the rest of the product about rooms
//! through [`Rooms`] and tells it through [`Accounts::ended`] whose right to be here has ended.
//!
//! Checking a token asks no database: keys and revocations are few and held in memory, renewed
//! every few seconds (`mirror.rs`). Refresh tokens are derived, not stored, so that a lost answer
//! can be repeated (`refresh_token.rs`).

mod config;
mod error;
mod hasher;
mod metrics;
mod mirror;
mod ports;
mod rate_limit;
mod refresh_token;
mod routes;
mod service;
mod sql;
mod subjects;
mod validate;

pub use config::{Clock, Config, Keys, PasswordCost, Rate, RateLimits};
pub use error::{
    AuthenticateError, GuestError, InviteError, LoginError, RateLimited, RefreshError,
    RegisterError, StoreError,
};
pub use hasher::HashError;
pub use metrics::Metrics;
pub use mirror::Ended;
pub use ports::{PortFuture, Rooms};
pub use rate_limit::{RateLimiter, Scope};
pub use refresh_token::RefreshToken;
pub use routes::{CookieConfig, openapi, routes};
pub use service::{Accounts, ApiKeys, NewApiKey, Running, Session};
pub use validate::Invalid;
