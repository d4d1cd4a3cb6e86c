//! STUN and TURN error codes (RFC 8489 section 14.8, RFC 8656 section 19, RFC 6062 section 6.3,
//! RFC 8016 section 3.2.1).

pub(super) const TRY_ALTERNATE: u16 = 300;
pub(super) const BAD_REQUEST: u16 = 400;
pub(super) const UNAUTHENTICATED: u16 = 401;
pub(super) const FORBIDDEN: u16 = 403;
pub(super) const MOBILITY_FORBIDDEN: u16 = 405;
pub(super) const UNKNOWN_ATTRIBUTE: u16 = 420;
pub(super) const ALLOCATION_MISMATCH: u16 = 437;
pub(super) const STALE_NONCE: u16 = 438;
pub(super) const ADDRESS_FAMILY_NOT_SUPPORTED: u16 = 440;
pub(super) const WRONG_CREDENTIALS: u16 = 441;
pub(super) const UNSUPPORTED_TRANSPORT: u16 = 442;
pub(super) const PEER_FAMILY_MISMATCH: u16 = 443;
pub(super) const CONNECTION_ALREADY_EXISTS: u16 = 446;
pub(super) const CONNECTION_FAILED: u16 = 447;
pub(super) const ALLOCATION_QUOTA: u16 = 486;
pub(super) const INSUFFICIENT_CAPACITY: u16 = 508;
