//! Stateless nonces: a nonce carries its time and a proof that this server made it for this
//! address, so that nothing is remembered before a client has shown that it receives our answers.
//!
//! Shape: the nonce cookie of RFC 8489 section 9.2 with both security features set (password
//! algorithms, user name anonymity), then 16 characters
//! of base64 holding four bytes of Unix time and eight of HMAC-SHA-256 over time and source.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// `obMatJos2` and 24 feature bits, the two leftmost set (RFC 8489, section 18.1).
const COOKIE: &[u8; 13] = b"obMatJos2wAAA";
const PROOF: usize = 12;
/// Length of every nonce of this server.
pub const LENGTH: usize = COOKIE.len() + 16;

/// Makes and checks nonces.
#[derive(Debug)]
pub struct Nonces {
    key: hmac::Key,
    lifetime: Duration,
}

/// What is wrong with a nonce; both are answered with a fresh one (438).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceError {
    /// Not of this server, or made for another address.
    Foreign,
    /// Older than its lifetime.
    Stale,
}

impl Nonces {
    /// `secret` may be shared by a fleet whose nodes answer for each other.
    pub fn new(secret: &[u8], lifetime: Duration) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), lifetime }
    }

    /// The nonce for a client at `source`.
    pub fn make(&self, source: SocketAddr, unix: u64) -> [u8; LENGTH] {
        let mut nonce = [0; LENGTH];
        let (cookie, text) = nonce.split_at_mut(COOKIE.len());
        cookie.copy_from_slice(COOKIE);
        let proof = self.proof(source, seconds(unix));
        // Twelve bytes are sixteen characters, which is the room there is.
        let written = STANDARD_NO_PAD.encode_slice(proof, text);
        debug_assert_eq!(written, Ok(16));
        nonce
    }

    /// Checks that a nonce was made for `source`, and not too long ago.
    ///
    /// # Errors
    /// When the client must be given a fresh one.
    pub fn check(&self, nonce: &[u8], source: SocketAddr, unix: u64) -> Result<(), NonceError> {
        let text = nonce.strip_prefix(COOKIE).ok_or(NonceError::Foreign)?;
        let mut proof = [0; PROOF];
        match STANDARD_NO_PAD.decode_slice(text, &mut proof) {
            Ok(PROOF) => {}
            Ok(_) | Err(_) => return Err(NonceError::Foreign),
        }
        let [t0, t1, t2, t3, ..] = proof;
        let made = u32::from_be_bytes([t0, t1, t2, t3]);
        constant_time::verify_slices_are_equal(&proof, &self.proof(source, made))
            .map_err(|_| NonceError::Foreign)?;
        let age = u64::from(seconds(unix).wrapping_sub(made));
        if age > self.lifetime.as_secs() { Err(NonceError::Stale) } else { Ok(()) }
    }

    fn proof(&self, source: SocketAddr, made: u32) -> [u8; PROOF] {
        let mut input = [0; 22];
        let (time, address) = input.split_at_mut(4);
        time.copy_from_slice(&made.to_be_bytes());
        let (ip, port) = address.split_at_mut(16);
        let octets = match source.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        ip.copy_from_slice(&octets);
        port.copy_from_slice(&source.port().to_be_bytes());
        let tag = hmac::sign(&self.key, &input);

        let mut proof = [0; PROOF];
        let (time, mac) = proof.split_at_mut(4);
        time.copy_from_slice(&made.to_be_bytes());
        mac.iter_mut().zip(tag.as_ref()).for_each(|(out, byte)| *out = *byte);
        proof
    }
}

/// Unix time as it stands in a nonce; wraps in 2106, which only ages nonces oddly for a moment.
fn seconds(unix: u64) -> u32 {
    u32::try_from(unix & u64::from(u32::MAX)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("a literal")
    }

    #[test]
    fn a_nonce_is_good_for_its_address_and_its_time() {
        let nonces = Nonces::new(b"secret", HOUR);
        let nonce = nonces.make(at("192.0.2.1:5000"), 1000);
        assert_eq!(nonces.check(&nonce, at("192.0.2.1:5000"), 1000), Ok(()));
        assert_eq!(nonces.check(&nonce, at("192.0.2.1:5000"), 4600), Ok(()));
        assert_eq!(nonces.check(&nonce, at("192.0.2.1:5000"), 4601), Err(NonceError::Stale));
        assert_eq!(nonces.check(&nonce, at("192.0.2.1:5001"), 1000), Err(NonceError::Foreign));
        assert_eq!(nonces.check(&nonce, at("[2001:db8::1]:5000"), 1000), Err(NonceError::Foreign));
    }

    #[test]
    fn a_nonce_of_another_server_or_from_the_future_is_refused() {
        let nonces = Nonces::new(b"secret", HOUR);
        let other = Nonces::new(b"other", HOUR).make(at("192.0.2.1:5000"), 1000);
        assert_eq!(nonces.check(&other, at("192.0.2.1:5000"), 1000), Err(NonceError::Foreign));
        let future = nonces.make(at("192.0.2.1:5000"), 9000);
        assert_eq!(nonces.check(&future, at("192.0.2.1:5000"), 1000), Err(NonceError::Stale));
        assert_eq!(nonces.check(b"", at("192.0.2.1:5000"), 0), Err(NonceError::Foreign));
        assert_eq!(nonces.check(&nonce_cut(), at("192.0.2.1:5000"), 0), Err(NonceError::Foreign));
    }

    fn nonce_cut() -> Vec<u8> {
        Nonces::new(b"secret", HOUR).make(at("192.0.2.1:5000"), 0)[..20].to_vec()
    }
}
