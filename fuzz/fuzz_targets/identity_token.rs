//! Tokens of the application's users: as strangers send them, and signed around any claims.
#![no_main]

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confer_auth::{KeyId, Limits, Secret, Verifier, VerifyingKey};
use libfuzzer_sys::fuzz_target;
use time::OffsetDateTime;

const SECRET: [u8; 32] = [7; 32];
/// 2025-01-01, in seconds since 1970.
const NOW: i64 = 1_735_689_600;

fn signed(claims: &[u8]) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","kid":"fuzz"}"#);
    let said = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SECRET), said.as_bytes());
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fuzz_target!(|input: &[u8]| {
    let Some((&how, input)) = input.split_first() else { return };
    let key: KeyId = "fuzz".parse().expect("a key's name");
    let secret = Secret::new(SECRET).expect("long enough");
    let limits = Limits::default();
    let verifier = Verifier::new(limits).with(key, VerifyingKey::hs256(&secret));
    let now = OffsetDateTime::from_unix_timestamp(NOW).expect("a date").into();
    if how % 2 == 0 {
        let token = String::from_utf8_lossy(input);
        assert!(verifier.verify(&token, now).is_err(), "nobody guesses a signature");
    } else if let Ok((_, claims)) = verifier.verify(&signed(input), now) {
        let skew = limits.clock_skew.as_secs() as i64;
        assert!(claims.exp + skew > NOW && claims.iat - skew <= NOW);
        assert!(claims.exp - claims.iat <= limits.lifetime.as_secs() as i64);
        assert!(!claims.sub.is_empty());
    }
});
