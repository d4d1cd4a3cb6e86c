//! What people type, made into types once. Every problem names its field.

use std::fmt;

use confer_protocol::error::{ErrorBody, ErrorCode};

const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 10..=256;
const NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=64;
/// RFC 5321, section 4.5.3.1: a path is 256 octets with its brackets, a local part 64.
const EMAIL_BYTES_MAX: usize = 254;
const LOCAL_PART_BYTES_MAX: usize = 64;

/// All that is wrong with a request's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("{} of the request's fields cannot be used", .0.len())]
pub struct Invalid(Vec<(&'static str, &'static str)>);

impl Invalid {
    pub(crate) fn one(field: &'static str, problem: &'static str) -> Self {
        Self(vec![(field, problem)])
    }

    /// Keeps a good value, notes a problem.
    fn take<T>(&mut self, field: &'static str, value: Result<T, &'static str>) -> Option<T> {
        value.map_err(|problem| self.0.push((field, problem))).ok()
    }
}

impl From<Invalid> for ErrorBody {
    fn from(invalid: Invalid) -> Self {
        let message = match invalid.0.as_slice() {
            [(field, problem)] => format!("`{field}` {problem}."),
            _ => "Some fields cannot be used; see `fields`.".to_owned(),
        };
        let body = Self::new(ErrorCode::Invalid, message);
        invalid.0.iter().fold(body, |body, (field, problem)| body.with_field(field, *problem))
    }
}

/// What somebody needs to register, checked.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) email: Email,
    pub(crate) password: Password,
    pub(crate) name: DisplayName,
}

impl Registration {
    pub(crate) fn parse(email: &str, password: String, name: &str) -> Result<Self, Invalid> {
        let mut invalid = Invalid::default();
        let email = invalid.take("email", Email::parse(email));
        let password = invalid.take("password", Password::parse(password));
        let name = invalid.take("name", DisplayName::parse(name));
        match (email, password, name) {
            (Some(email), Some(password), Some(name)) => Ok(Self { email, password, name }),
            _ => Err(invalid),
        }
    }
}

/// An address as it was typed. Whether it exists only a message to it could tell.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Email(String);

impl Email {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let Some((local, domain)) = text.rsplit_once('@') else {
            return Err("is an address like name@example.org");
        };
        let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let sizes = (1..=LOCAL_PART_BYTES_MAX).contains(&local.len())
            && !domain.is_empty()
            && text.len() <= EMAIL_BYTES_MAX;
        let dots = !domain.starts_with('.') && !domain.ends_with('.') && !domain.contains("..");
        if plain && sizes && dots {
            Ok(Self(text.to_owned()))
        } else {
            Err("is an address like name@example.org")
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for every capitalisation, for counting attempts.
    pub(crate) fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// A password, until it is hashed. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Password(String);

impl Password {
    /// A new one.
    pub(crate) fn parse(text: String) -> Result<Self, &'static str> {
        if PASSWORD_CHARS.contains(&text.chars().count()) {
            Ok(Self(text))
        } else {
            Err("has 10 to 256 characters")
        }
    }

    /// One that is tried. One that could never have been set is wrong like any other.
    pub(crate) fn attempt(text: String) -> Option<Self> {
        (text.chars().count() <= *PASSWORD_CHARS.end()).then_some(Self(text))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What others see of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DisplayName(String);

impl DisplayName {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if !NAME_CHARS.contains(&text.chars().count()) {
            return Err("has 1 to 64 characters");
        }
        if text.chars().any(|c| c.is_control() || turns_text_around(c)) {
            return Err("has only visible characters");
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Marks that reorder what stands around a name, with which one name can be made to look like
/// another (Unicode UAX #9, section 2).
fn turns_text_around(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_every_honest_shape_pass() {
        for good in [" alice@example.org ", "a+b@example.co.uk", "bob@intranet", "ä@exämple.org"]
        {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.org", "x".repeat(65));
        for bad in ["", "alice", "@example.org", "a@", "a b@example.org", "a@.org", "a@b..c", &long]
        {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        let error = Registration::parse("nobody", "short".to_owned(), " ").expect_err("all wrong");
        let body = ErrorBody::from(error);
        assert_eq!(body.code, ErrorCode::Invalid);
        assert_eq!(body.fields.keys().collect::<Vec<_>>(), ["email", "name", "password"]);
    }

    #[test]
    fn names_are_trimmed_and_cannot_hide_anything() {
        let trimmed = DisplayName::parse("  Alice  ").expect("it is a name");
        assert_eq!(trimmed.as_str(), "Alice");
        for bad in ["", "   ", "a\0b", "line\nbreak", "\u{202e}ecila", &"x".repeat(65)] {
            assert!(DisplayName::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig {
            rng_seed: proptest::test_runner::RngSeed::Fixed(7),
            failure_persistence: None,
            ..proptest::prelude::ProptestConfig::default()
        })]

        #[test]
        fn whatever_is_typed_is_taken_whole_or_refused(text in "\\PC{0,300}|.{0,300}") {
            if let Ok(name) = DisplayName::parse(&text) {
                proptest::prop_assert_eq!(name.as_str(), text.trim());
            }
            if let Ok(email) = Email::parse(&text) {
                proptest::prop_assert!(email.as_str().contains('@') && email.as_str().len() <= 254);
            }
        }
    }

    #[test]
    fn what_people_type_is_never_printed() {
        let all = Registration::parse("alice@example.org", "correct horse".into(), "Alice");
        let text = format!("{all:?}");
        assert!(!text.contains("horse") && !text.contains("example"), "{text}");
    }
}
