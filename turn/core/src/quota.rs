//! What one allocation, one user, one tenant and the whole process may use: counts and rates.
//!
//! A process that runs several servers shares one [`Ledger`] among them, so that a limit is the
//! process's and not a thread's. It is asked when something is made or ends; packets meet only the
//! meters it hands out ([`Shares`]), which are single numbers that threads change together.

mod ledger;
mod meter;
mod toll;

pub use ledger::{Claim, Exceeded, Holdings, Kind, Ledger};
pub use meter::Shares;
pub(crate) use meter::{Meters, Since, has_room, spend};
pub(crate) use toll::Carried;
pub use toll::Toll;

/// Caps of one tenant and of each of its users. Zero rates mean no cap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantLimits {
    /// Allocations of the tenant (486). A port that is kept for later counts as one.
    pub allocations: u32,
    /// Allocations of one identity (486), counted alike.
    pub allocations_per_user: u32,
    /// Permissions in all allocations of one identity (508).
    pub permissions_per_user: u32,
    /// Bytes a second that one allocation may relay, both ways together.
    pub bytes_per_second: u64,
    /// Packets a second that one allocation may relay, both ways together.
    pub packets_per_second: u64,
    /// Bytes a second of all allocations of one identity.
    pub user_bytes_per_second: u64,
    /// Packets a second of all allocations of one identity.
    pub user_packets_per_second: u64,
    /// Bytes a second of the whole tenant.
    pub tenant_bytes_per_second: u64,
    /// Packets a second of the whole tenant.
    pub tenant_packets_per_second: u64,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            allocations: 10_000,
            allocations_per_user: 16,
            // A call with every participant of a large room, over any of them.
            permissions_per_user: 512,
            bytes_per_second: 0,
            packets_per_second: 0,
            user_bytes_per_second: 0,
            user_packets_per_second: 0,
            tenant_bytes_per_second: 0,
            tenant_packets_per_second: 0,
        }
    }
}
