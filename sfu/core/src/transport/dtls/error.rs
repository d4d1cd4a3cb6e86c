//! Why a DTLS datagram or handshake was refused.

/// What went wrong with a handshake, or with one datagram of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// The datagram was malformed, forged or out of place. The association goes on.
    #[error("DTLS datagram was dropped")]
    Dropped,
    /// The association ended before.
    #[error("DTLS association is over")]
    Over,
    /// The other side did not answer in time.
    #[error("DTLS handshake timed out")]
    TimedOut,
    /// The other side sent more than a handshake has.
    #[error("DTLS handshake is too large")]
    TooMuch,
    /// The other side sent a fatal alert.
    #[error("DTLS handshake was aborted by the other side")]
    Alerted,
    /// The other side offered nothing that we accept; it was told so by an alert.
    #[error("DTLS handshake was refused")]
    Refused,
    /// The other side does not speak DTLS 1.2.
    #[error("DTLS version is not supported")]
    Version,
    /// The other side offered no SRTP profile, or none of ours (RFC 5764, section 4.1).
    #[error("DTLS handshake has no common SRTP profile")]
    NoCommonProfile,
    /// The other side showed no certificate.
    #[error("DTLS peer has no certificate")]
    NoCertificate,
    /// The other side's certificate is not the one its SDP names.
    #[error("DTLS certificate does not match the fingerprint in the SDP")]
    WrongFingerprint,
    /// A cryptographic operation of ours failed.
    #[error("DTLS cryptography failed")]
    Crypto,
}
