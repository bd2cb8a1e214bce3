//! Spans of time and sizes as people write them.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A span of time: `3m`, `1h 30m`, `250ms`, `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// A number of bytes: `256MiB`, `1GiB`, `4096`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl std::str::FromStr for Period {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no span of time; write 3m, 1h 30m, 250ms or 7d");
        let mut total = Duration::ZERO;
        if text.trim().is_empty() {
            return Err(wrong());
        }
        for part in text.split_whitespace() {
            let digits = part.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let (number, unit) = part.split_at(digits);
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let ms: u64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            total += Duration::from_millis(number.checked_mul(ms).ok_or_else(wrong)?);
        }
        Ok(Self(total))
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
        let whole = units.iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
        let (unit, name) = whole.copied().unwrap_or((1, "ms"));
        write!(f, "{}{name}", ms / unit)
    }
}

impl std::str::FromStr for ByteSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no size; write 256MiB, 1GiB or a number of bytes");
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let shift = match text[digits..].trim() {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => return Err(wrong()),
        };
        number.checked_mul(1 << shift).map(Self).ok_or_else(wrong)
    }
}

macro_rules! deserialize_text {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
deserialize_text!(Period);
deserialize_text!(ByteSize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_and_sizes_are_read_as_written() {
        let period = |text: &str| text.parse::<Period>().map(|p| p.0.as_millis());
        assert_eq!(period("3m"), Ok(180_000));
        assert_eq!(period("1h 30m"), Ok(5_400_000));
        assert_eq!(period("250ms"), Ok(250));
        assert_eq!(period("0s"), Ok(0));
        for text in ["1ms", "1500ms", "90s", "15m", "7d"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        for bad in ["", "3", "m", "3 m", "-3m", "3w", "99999999999999999999d"] {
            assert!(period(bad).is_err(), "{bad}");
        }
        let size = |text: &str| text.parse::<ByteSize>().map(|s| s.0);
        assert_eq!(size("256MiB"), Ok(256 << 20));
        assert_eq!(size("4096"), Ok(4096));
        for bad in ["", "MiB", "1MB", "-1", "99999999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
