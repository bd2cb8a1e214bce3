//! Times on the command line.

use std::str::FromStr;
use std::time::Duration;

use crate::app::SystemClock;
use crate::app::config::Period;
use crate::domain::Timestamp;
use crate::ports::Clock;

/// A time, given as one or as so long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Ago(Duration),
    At(Timestamp),
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ago = text.parse::<Period>().map(|period| Self::Ago(period.0));
        ago.or_else(|_| text.parse().map(Self::At)).map_err(|_| {
            "write how long ago (90s, 2h, 7d), or an RFC 3339 time such as 2026-01-31T12:00:00Z"
        })
    }
}

impl When {
    /// When that is, by the machine's clock.
    pub(super) fn time(self) -> Timestamp {
        match self {
            Self::Ago(ago) => SystemClock::default().now() - ago,
            Self::At(time) => time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_so_long_ago_or_a_time() {
        assert_eq!("2h".parse(), Ok(When::Ago(Duration::from_hours(2))));
        let time = Timestamp::from_millis(1_769_860_800_000);
        assert_eq!("2026-01-31T12:00:00Z".parse(), Ok(When::At(time)));
        for bad in ["", "yesterday", "2", "-2h", "2026-01-31"] {
            assert!(bad.parse::<When>().is_err(), "{bad}");
        }
    }
}
