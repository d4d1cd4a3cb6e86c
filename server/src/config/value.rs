//! How one setting is written: in TOML, in an environment variable, on the command line, in docs.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use ipnet::IpNet;

/// A value as somebody wrote it. Variables and flags only know text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Raw {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<Raw>),
}

impl Raw {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Bool(_) | Self::List(_) => None,
        }
    }
}

/// A type a setting can have.
pub(crate) trait Setting: Sized {
    /// What the docs call it.
    fn kind() -> String;

    /// Reads what somebody wrote; the error completes "… must be".
    fn read(raw: &Raw) -> Result<Self, String>;

    /// As TOML; `None` when unset.
    fn show(&self) -> Option<String>;

    /// Whether the value must never be printed.
    fn is_secret() -> bool {
        false
    }
}

/// Text that opens something. It prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Setting for Secret {
    fn kind() -> String {
        "text, secret".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, String> {
        raw.text().map(Self::new).ok_or_else(|| "text in quotes".to_owned())
    }

    fn show(&self) -> Option<String> {
        None
    }

    fn is_secret() -> bool {
        true
    }
}

impl Setting for bool {
    fn kind() -> String {
        "`true` or `false`".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Bool(value) => Ok(*value),
            Raw::Text(text) if text == "true" => Ok(true),
            Raw::Text(text) if text == "false" => Ok(false),
            Raw::Text(_) | Raw::Integer(_) | Raw::List(_) => Err("true or false".to_owned()),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl Setting for $type {
            fn kind() -> String {
                "number".to_owned()
            }

            fn read(raw: &Raw) -> Result<Self, String> {
                let problem = || format!("a whole number from 0 to {}", Self::MAX);
                match raw {
                    Raw::Integer(value) => Self::try_from(*value).map_err(|_| problem()),
                    Raw::Text(text) => text.parse().map_err(|_| problem()),
                    Raw::Bool(_) | Raw::List(_) => Err(problem()),
                }
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

numbers!(u16, u32, usize);

macro_rules! parsed {
    ($($type:ty => $kind:literal, $expected:literal;)*) => {$(
        impl Setting for $type {
            fn kind() -> String {
                $kind.to_owned()
            }

            fn read(raw: &Raw) -> Result<Self, String> {
                parse_text(raw, $expected)
            }

            fn show(&self) -> Option<String> {
                Some(quoted(self))
            }
        }
    )*};
}

parsed! {
    String => "text", "text in quotes";
    IpAddr => "IP address", "an IP address such as \"192.0.2.7\" or \"2001:db8::7\"";
    SocketAddr => "address and port", "an address and a port such as \"0.0.0.0:7880\" or \"[::]:7880\"";
    IpNet => "network", "a network such as \"10.0.0.0/8\"";
}

fn parse_text<T: FromStr>(raw: &Raw, expected: &str) -> Result<T, String> {
    raw.text().and_then(|text| text.parse().ok()).ok_or_else(|| expected.to_owned())
}

pub(super) fn quoted(value: impl Display) -> String {
    toml::Value::String(value.to_string()).to_string()
}

impl Setting for PathBuf {
    fn kind() -> String {
        "path".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, String> {
        parse_text(raw, "a path in quotes")
    }

    fn show(&self) -> Option<String> {
        Some(quoted(self.display()))
    }
}

impl<T: Setting> Setting for Option<T> {
    fn kind() -> String {
        T::kind()
    }

    fn read(raw: &Raw) -> Result<Self, String> {
        T::read(raw).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }

    fn is_secret() -> bool {
        T::is_secret()
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn kind() -> String {
        format!("list of {}", T::kind())
    }

    /// Text is a list separated by commas, which is what fits into a variable or a flag.
    fn read(raw: &Raw) -> Result<Self, String> {
        let problem = |each: String| format!("a list, each item of it {each}");
        match raw {
            Raw::List(items) => {
                items.iter().map(T::read).collect::<Result<_, _>>().map_err(problem)
            }
            Raw::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| T::read(&Raw::Text(item.to_owned())))
                .collect::<Result<_, _>>()
                .map_err(problem),
            Raw::Integer(_) | Raw::Bool(_) => Err("a list in brackets".to_owned()),
        }
    }

    fn show(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::show).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn a_list_fits_into_a_variable() {
        let nets = Vec::<IpNet>::read(&text("10.0.0.0/8, fd00::/8")).expect("two networks");
        assert_eq!(nets.show().as_deref(), Some("[\"10.0.0.0/8\", \"fd00::/8\"]"));
        assert!(Vec::<IpNet>::read(&text("10.0.0.0/8,x")).is_err());
    }

    #[test]
    fn a_number_out_of_range_is_refused_with_the_range() {
        assert_eq!(
            u16::read(&Raw::Integer(70_000)),
            Err("a whole number from 0 to 65535".to_owned())
        );
        assert_eq!(u16::read(&text("443")), Ok(443));
    }

    #[test]
    fn a_secret_prints_as_nothing() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(Some(secret).show(), None);
    }
}
