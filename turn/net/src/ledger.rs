//! One ledger for all threads, so that limits are the relay's and not a thread's. Threads meet at
//! its lock when an allocation is made or ends, and never for a packet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use confer_turn_core::quota::{Claim, Exceeded, Kind, Shares};
use confer_turn_core::{Credentials, Holdings, Ledger, Limits, TenantId};

/// What all threads hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedLedger(Arc<Mutex<Holdings>>);

impl SharedLedger {
    /// A thread that panicked while counting has counted.
    fn lock(&self) -> MutexGuard<'_, Holdings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for SharedLedger {
    fn claim(&mut self, claim: &Claim<'_>, now: Instant) -> Result<Shares, Exceeded> {
        self.lock().claim(claim, now)
    }

    fn give_back(&mut self, kind: Kind, tenant: TenantId, user: &str, now: Instant) {
        self.lock().give_back(kind, tenant, user, now);
    }

    fn reconfigure(&mut self, credentials: &Credentials, limits: &Limits) {
        self.lock().reconfigure(credentials, limits);
    }
}
