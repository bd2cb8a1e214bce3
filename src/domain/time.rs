//! Points in time, in whole milliseconds UTC.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Invalid;

/// Milliseconds since 1970-01-01T00:00:00Z; shown as RFC 3339 with three decimals and `Z`. A time
/// that has no such text is shown as the first or the last that has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

const MS_PER_DAY: i64 = 86_400_000;
/// 0000-01-01T00:00:00.000Z to 9999-12-30T22:00:00.999Z: the times that can be shown and, in any
/// time zone, be read again.
const SHOWN_MS: (i64, i64) = (-62_167_219_200_000, 253_402_207_200_999);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The time since `earlier`, zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Year, month and day of a day number, by Howard Hinnant's `civil_from_days`; written here because
/// a timestamp is rendered some forty times per order and a general formatter costs ten times this.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.clamp(SHOWN_MS.0, SHOWN_MS.1);
        let (year, month, day) = civil(shown.div_euclid(MS_PER_DAY));
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |at: usize, width: usize, mut n: i64| {
            for place in (at..at + width).rev() {
                text[place] = b'0' + (n % 10) as u8;
                n /= 10;
            }
        };
        let ms = shown.rem_euclid(MS_PER_DAY);
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, ms / 3_600_000);
        put(14, 2, ms / 60_000 % 60);
        put(17, 2, ms / 1_000 % 60);
        put(20, 3, ms % 1_000);
        f.write_str(std::str::from_utf8(&text).expect("only ASCII digits were put"))
    }
}

impl FromStr for Timestamp {
    type Err = Invalid;
    /// Reads any RFC 3339 time; finer than milliseconds is cut off.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse::<jiff::Timestamp>()
            .map(|t| Self(t.as_millisecond()))
            .map_err(|_| Invalid::new("must be an RFC 3339 time such as 2026-01-31T12:00:00Z"))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shows_rfc_3339_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        let leap: Timestamp = "2024-02-29T23:59:59.999Z".parse().unwrap();
        assert_eq!(leap.to_string(), "2024-02-29T23:59:59.999Z");
        assert_eq!(
            "2026-01-31T04:00:00-08:00".parse(),
            Ok(Timestamp::from_millis(1_769_860_800_000))
        );
        assert!("yesterday".parse::<Timestamp>().is_err());
    }

    #[test]
    fn whatever_is_shown_can_be_read() {
        for (ms, read) in [(i64::MIN, SHOWN_MS.0), (-1, -1), (i64::MAX, SHOWN_MS.1)] {
            let shown = Timestamp::from_millis(ms).to_string();
            assert_eq!(shown.parse(), Ok(Timestamp::from_millis(read)), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips_and_sorts_like_time(a in 0i64..4_102_444_800_000, b in 0i64..4_102_444_800_000) {
            let (a, b) = (Timestamp::from_millis(a), Timestamp::from_millis(b));
            prop_assert_eq!(a.to_string().parse::<Timestamp>(), Ok(a));
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }
    }
}
