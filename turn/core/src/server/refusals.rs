//! How often clients were refused, by code.

use super::code;

/// Every code that is answered, in the order of the numbers.
const CODES: [u16; 16] = [
    code::TRY_ALTERNATE,
    code::BAD_REQUEST,
    code::UNAUTHENTICATED,
    code::FORBIDDEN,
    code::MOBILITY_FORBIDDEN,
    code::UNKNOWN_ATTRIBUTE,
    code::ALLOCATION_MISMATCH,
    code::STALE_NONCE,
    code::ADDRESS_FAMILY_NOT_SUPPORTED,
    code::WRONG_CREDENTIALS,
    code::UNSUPPORTED_TRANSPORT,
    code::PEER_FAMILY_MISMATCH,
    code::CONNECTION_ALREADY_EXISTS,
    code::CONNECTION_FAILED,
    code::ALLOCATION_QUOTA,
    code::INSUFFICIENT_CAPACITY,
];

/// Error answers since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    counts: [u64; CODES.len()],
    challenges: u64,
    total: u64,
}

impl Refusals {
    /// Of codes that are counted.
    pub const CODES: [u16; CODES.len()] = CODES;

    pub(super) fn count(&mut self, code: u16) {
        self.total += 1;
        if let Some(count) = CODES.binary_search(&code).ok().and_then(|at| self.counts.get_mut(at))
        {
            *count += 1;
        }
    }

    /// A request without any proof got its 401, which is how every client begins.
    pub(super) fn challenge(&mut self) {
        self.total += 1;
        self.challenges += 1;
    }

    /// Error answers in the order of [`Refusals::CODES`], first challenges left out.
    pub fn counts(&self) -> &[u64; CODES.len()] {
        &self.counts
    }

    /// Requests without any proof that were told how to bring one.
    pub fn challenges(&self) -> u64 {
        self.challenges
    }

    /// All of them together; it grows with each.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_found_by_its_number() {
        assert!(CODES.is_sorted());
        let mut refusals = Refusals::default();
        for code in CODES {
            refusals.count(code);
        }
        assert_eq!(refusals.counts(), &[1; CODES.len()]);
        refusals.challenge();
        assert_eq!((refusals.challenges(), refusals.total()), (1, 17));
    }
}
