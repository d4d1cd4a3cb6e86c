//! Settings that carry their unit: how long, how much.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::value::{Raw, Setting, quoted};

impl Setting for Duration {
    fn kind() -> String {
        "duration".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, String> {
        let problem =
            || "a duration such as \"500ms\", \"30s\", \"15m\", \"2h\" or \"7d\"".to_owned();
        let text = raw.text().ok_or_else(problem)?;
        let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(problem)?;
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| problem())?;
        let seconds = |per_unit: u64| number.checked_mul(per_unit).map(Duration::from_secs);
        match unit {
            "ms" => Some(Duration::from_millis(number)),
            "s" => seconds(1),
            "m" => seconds(60),
            "h" => seconds(3600),
            "d" => seconds(86_400),
            _ => None,
        }
        .ok_or_else(problem)
    }

    fn show(&self) -> Option<String> {
        let millis = self.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
        let (per_unit, unit) = units
            .into_iter()
            .find(|(size, _)| millis != 0 && millis.is_multiple_of(*size))
            .unwrap_or((1, "ms"));
        Some(quoted(format_args!("{}{unit}", millis / per_unit)))
    }
}

/// An amount of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) usize);

impl ByteSize {
    pub(crate) const fn kib(count: usize) -> Self {
        Self(count * 1024)
    }

    pub(crate) const fn mib(count: usize) -> Self {
        Self(count * 1024 * 1024)
    }
}

impl Setting for ByteSize {
    fn kind() -> String {
        "size".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, String> {
        let problem = || "a size in bytes or such as \"64KiB\" or \"16MiB\"".to_owned();
        match raw {
            Raw::Integer(bytes) => usize::try_from(*bytes).map(Self).map_err(|_| problem()),
            Raw::Text(text) => {
                let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let (number, unit) = text.split_at(digits);
                let per_unit = match unit {
                    "" | "B" => 1,
                    "KiB" => 1024,
                    "MiB" => 1024 * 1024,
                    "GiB" => 1024 * 1024 * 1024,
                    _ => return Err(problem()),
                };
                let number: usize = number.parse().map_err(|_| problem())?;
                number.checked_mul(per_unit).map(Self).ok_or_else(problem)
            }
            Raw::Bool(_) | Raw::List(_) => Err(problem()),
        }
    }

    fn show(&self) -> Option<String> {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        Some(
            match units.into_iter().find(|(size, _)| self.0 != 0 && self.0.is_multiple_of(*size)) {
                Some((size, unit)) => quoted(format_args!("{}{unit}", self.0 / size)),
                None => self.0.to_string(),
            },
        )
    }
}

/// Ports, the first and the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortRange(pub(crate) RangeInclusive<u16>);

impl Setting for PortRange {
    fn kind() -> String {
        "ports".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, String> {
        let parse = || {
            let (first, last) = raw.text()?.split_once('-')?;
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first != 0 && first <= last).then_some(Self(first..=last))
        };
        parse().ok_or_else(|| "the first and the last port, such as \"49152-65535\"".to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(quoted(format_args!("{}-{}", self.0.start(), self.0.end())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn durations_are_written_with_their_unit() {
        for (written, expected) in
            [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("7d", 604_800_000)]
        {
            let duration = Duration::read(&text(written)).expect("a good duration");
            assert_eq!(duration.as_millis(), expected);
            assert_eq!(duration.show(), Some(format!("\"{written}\"")));
        }
        for wrong in
            ["30", "s", "", "1.5s", "30 s", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(Duration::read(&text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_carry_a_binary_unit() {
        assert_eq!(ByteSize::read(&Raw::Integer(70)), Ok(ByteSize(70)));
        assert_eq!(ByteSize::read(&text("64KiB")), Ok(ByteSize::kib(64)));
        assert_eq!(ByteSize::mib(1).show().as_deref(), Some("\"1MiB\""));
        assert!(ByteSize::read(&text("64KB")).is_err());
        assert!(ByteSize::read(&Raw::Integer(-1)).is_err());
    }
}
