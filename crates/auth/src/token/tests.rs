use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confer_protocol::Timestamp;
use confer_protocol::error::ErrorCode;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Claims, Limits, TOKEN_BYTES_MAX, Verifier, key_id, verify};
use crate::error::TokenError;
use crate::identity::Grants;
use crate::key::{KeyId, Secret, SigningKey, VerifyingKey};

const START: i64 = 1_800_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> Timestamp {
    Timestamp(OffsetDateTime::from_unix_timestamp(START + seconds).expect("it is a date"))
}

fn id(text: &str) -> KeyId {
    text.parse().expect("it is plain")
}

fn secret(letter: char) -> Secret {
    Secret::new(letter.to_string().repeat(32)).expect("it is long enough")
}

fn signer() -> SigningKey {
    SigningKey::hs256(id("new"), &secret('n'))
}

fn verifier() -> Verifier {
    Verifier::new(Limits::default()).with(id("new"), VerifyingKey::hs256(&secret('n')))
}

fn claims() -> Claims {
    let grants = Grants::account();
    Claims { name: Some("Alice".to_owned()), grants, ..Claims::new("alice", at(0), MINUTE) }
}

fn minted() -> String {
    signer().sign(&claims()).expect("it is small").expose().to_owned()
}

/// A token whose parts were exchanged after it was signed.
fn doctored(header: Option<Value>, payload: Option<Value>) -> String {
    let token = minted();
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    for (part, value) in parts.iter_mut().zip([header, payload]) {
        if let Some(value) = value {
            *part = URL_SAFE_NO_PAD.encode(value.to_string());
        }
    }
    parts.join(".")
}

#[test]
fn what_was_signed_is_what_is_read() {
    let (key, read) = verifier().verify(&minted(), at(1)).expect("it is good");
    assert_eq!(key, id("new"));
    assert_eq!(read, claims());
    assert_eq!(read.expires_at(), at(60));
}

#[test]
fn a_token_ends_at_its_expiry_and_the_skew_and_not_a_second_earlier() {
    let token = minted();
    assert!(verifier().verify(&token, at(89)).is_ok());
    assert_eq!(verifier().verify(&token, at(90)), Err(TokenError::Expired));
    assert_eq!(TokenError::Expired.code(), ErrorCode::TokenExpired);
}

#[test]
fn a_token_from_the_future_is_refused_beyond_the_skew() {
    let token = minted();
    assert!(verifier().verify(&token, at(-30)).is_ok());
    assert_eq!(verifier().verify(&token, at(-31)), Err(TokenError::NotYetValid));
    let later = Claims { nbf: Some(START + 40), ..claims() };
    let later = signer().sign(&later).expect("it is small");
    assert_eq!(verifier().verify(later.expose(), at(9)), Err(TokenError::NotYetValid));
    assert!(verifier().verify(later.expose(), at(10)).is_ok());
}

#[test]
fn a_token_for_longer_than_the_limit_is_refused() {
    let day = Duration::from_secs(24 * 60 * 60);
    let longest = signer().sign(&Claims::new("a", at(0), day)).expect("it is small");
    assert!(verifier().verify(longest.expose(), at(0)).is_ok());
    let longer = Claims::new("a", at(0), day + Duration::from_secs(1));
    let longer = signer().sign(&longer).expect("it is small");
    let refused = verifier().verify(longer.expose(), at(0));
    assert_eq!(refused, Err(TokenError::LifetimeTooLong { limit: day }));
}

#[test]
fn old_keys_are_accepted_beside_new_ones_until_they_are_dropped() {
    let old = SigningKey::hs256(id("old"), &secret('o'));
    let token = old.sign(&claims()).expect("it is small");
    let refused = verifier().verify(token.expose(), at(0));
    assert_eq!(refused, Err(TokenError::UnknownKey(id("old"))));
    let both = verifier().with(id("old"), VerifyingKey::hs256(&secret('o')));
    assert!(both.verify(token.expose(), at(0)).is_ok());
}

#[test]
fn another_key_s_signature_is_refused() {
    let forged = SigningKey::hs256(id("new"), &secret('x')).sign(&claims()).expect("it is small");
    assert_eq!(verifier().verify(forged.expose(), at(0)), Err(TokenError::BadSignature));
}

#[test]
fn changed_claims_are_refused() {
    let mut changed = serde_json::to_value(claims()).expect("they are JSON");
    changed["sub"] = json!("mallory");
    let token = doctored(None, Some(changed));
    assert_eq!(verifier().verify(&token, at(0)), Err(TokenError::BadSignature));
}

#[test]
fn a_token_cannot_choose_its_algorithm() {
    let none = doctored(Some(json!({"alg": "none", "kid": "new"})), None);
    assert_eq!(verifier().verify(&none, at(0)), Err(TokenError::Malformed));
    let other = doctored(Some(json!({"alg": "HS512", "kid": "new"})), None);
    assert_eq!(verifier().verify(&other, at(0)), Err(TokenError::WrongAlgorithm));
    // The classic: a public key taken for a shared secret.
    let public = VerifyingKey::ed25519(RFC8037_X).expect("it is a key");
    assert_eq!(
        verify(&minted(), &public, &Limits::default(), at(0)),
        Err(TokenError::WrongAlgorithm)
    );
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", "a", "a.b", "a.b.c", "....", "e30.e30.e30", "\0", "ä.ö.ü"] {
        assert_eq!(key_id(text), Err(TokenError::Malformed), "{text:?}");
    }
    assert_eq!(key_id(&"x".repeat(TOKEN_BYTES_MAX + 1)), Err(TokenError::TooLong));
    let anonymous = doctored(Some(json!({"alg": "HS256"})), None);
    assert_eq!(key_id(&anonymous), Err(TokenError::NoKeyId));
}

#[test]
fn unknown_grants_are_refused_because_they_may_have_been_meant_as_limits() {
    let header = jsonwebtoken::Header {
        kid: Some("new".to_owned()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
    };
    let sign = |payload: Value| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret('n').expose());
        jsonwebtoken::encode(&header, &payload, &key).expect("it is JSON")
    };
    let base = json!({"sub": "a", "iat": START, "exp": START + 60, "aud": "ignored"});
    assert!(verifier().verify(&sign(base.clone()), at(0)).is_ok());
    for (field, value) in [
        ("grants", json!({"publich": []})),
        ("grants", json!({"rooms": "everything"})),
        ("sub", json!("")),
        ("sub", json!("x".repeat(257))),
        ("name", json!("")),
        ("exp", json!("tomorrow")),
        ("exp", json!(i64::MAX)),
    ] {
        let mut payload = base.clone();
        payload[field] = value;
        let refused = verifier().verify(&sign(payload.clone()), at(0));
        assert!(matches!(refused, Err(TokenError::BadClaims(_))), "{payload}: {refused:?}");
    }
}

/// RFC 8037, appendix A.1 and A.2.
const RFC8037_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// The PKCS #8 form of the same key pair's private half.
const RFC8037_PKCS8: [u8; 48] =
    *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\
\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\x44\x49\xc5\x69\x7b\x32\x69\x19\
\x70\x3b\xac\x03\x1c\xae\x7f\x60";

#[test]
fn a_back_end_may_sign_with_ed25519() {
    let header = jsonwebtoken::Header {
        kid: Some("ed".to_owned()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA)
    };
    let key = jsonwebtoken::EncodingKey::from_ed_der(&RFC8037_PKCS8);
    let token = jsonwebtoken::encode(&header, &claims(), &key).expect("the key is good");
    let verifier = Verifier::new(Limits::default())
        .with(id("ed"), VerifyingKey::ed25519(RFC8037_X).expect("it is a key"));
    let (_, read) = verifier.verify(&token, at(0)).expect("it is signed by the other half");
    assert_eq!(read, claims());
    assert!(VerifyingKey::ed25519("AAAA").is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(7),
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::default()
    })]

    #[test]
    fn no_text_is_taken_for_a_token(text in ".{0,300}|[A-Za-z0-9_.-]{0,300}") {
        proptest::prop_assert!(verifier().verify(&text, at(0)).is_err());
    }

    /// A signed header and payload of any shape are refused or read, and never stop the server.
    #[test]
    fn no_payload_stops_the_server(sub in ".{0,300}", times in proptest::array::uniform3(proptest::num::i64::ANY)) {
        let [iat, exp, nbf] = times;
        let odd = Claims { iat, exp, nbf: Some(nbf), ..Claims::new(sub, at(0), MINUTE) };
        if let Ok(token) = signer().sign(&odd) {
            let read = verifier().verify(token.expose(), at(0)).is_ok();
            proptest::prop_assert!(!read || (iat..exp).contains(&START) || exp - iat <= 86_400);
        }
    }
}

#[test]
fn tokens_are_never_printed() {
    let token = signer().sign(&claims()).expect("it is small");
    assert_eq!(format!("{token:?}"), "AccessToken(…)");
    assert!(!format!("{:?}", signer()).contains("nnnn"));
}
