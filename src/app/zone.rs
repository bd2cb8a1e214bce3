//! The time zone in which people read times. What is stored, and what programs read, is in UTC.

use std::fmt;
use std::sync::OnceLock;

use jiff::tz::{TimeZone, db};

use crate::domain::Timestamp;
use crate::domain::spelling::did_you_mean;

/// The zone of this process.
static CHOSEN: OnceLock<Zone> = OnceLock::new();

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone with this IANA name, such as `Europe/Berlin`; without a name the machine's, by `TZ` or
    /// `/etc/localtime`. An error suggests names.
    pub fn named(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Ok(Self(TimeZone::try_system().unwrap_or(TimeZone::UTC)));
        }
        TimeZone::get(name).map(Self).map_err(|_| {
            let names: Vec<String> = db().available().map(|name| name.to_string()).collect();
            let near = did_you_mean(name, names.iter().map(String::as_str));
            let near =
                if near.is_empty() { "; write one such as Europe/Berlin".into() } else { near };
            format!("there is no time zone {name}{near}")
        })
    }

    /// A time there: RFC 3339 with milliseconds and the offset from UTC, which tells the two runs of an hour
    /// that is run twice apart.
    pub fn shown(&self, time: Timestamp) -> String {
        let utc = time.to_string();
        match utc.parse::<jiff::Timestamp>() {
            Ok(instant) if self.0 != TimeZone::UTC => {
                let there = instant.to_zoned(self.0.clone());
                if there.offset().is_zero() && self.is_utc() {
                    return utc;
                }
                there.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
            }
            _ => utc,
        }
    }

    /// Whether it is UTC by one of its names.
    fn is_utc(&self) -> bool {
        let names = ["UTC", "Etc/UTC", "Etc/UCT", "Etc/Zulu", "Etc/Universal", "Zulu", "UCT"];
        self.0.iana_name().is_none_or(|name| names.contains(&name))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("the machine's"))
    }
}

/// From now on this process shows times in `zone`; a second call changes nothing.
pub fn choose(zone: Zone) {
    let _ = CHOSEN.set(zone);
}

/// A time for people: in the zone that was chosen, in UTC before one is.
pub fn local(time: Timestamp) -> String {
    CHOSEN.get().map_or_else(|| time.to_string(), |zone| zone.shown(time))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn shows(zone: &str, utc: &str, there: &str) {
        let zone = Zone::named(zone).unwrap();
        assert_eq!(zone.shown(utc.parse().unwrap()), there, "{utc} in {zone}");
    }

    #[test]
    fn an_hour_that_is_left_out_is_left_out() {
        shows("America/Los_Angeles", "2026-03-08T09:59:59.999Z", "2026-03-08T01:59:59.999-08:00");
        shows("America/Los_Angeles", "2026-03-08T10:00:00Z", "2026-03-08T03:00:00.000-07:00");
        shows("Europe/Berlin", "2026-03-29T00:59:59Z", "2026-03-29T01:59:59.000+01:00");
        shows("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00.000+02:00");
    }

    #[test]
    fn an_hour_that_comes_twice_is_told_apart() {
        shows("America/Los_Angeles", "2026-11-01T08:30:00Z", "2026-11-01T01:30:00.000-07:00");
        shows("America/Los_Angeles", "2026-11-01T09:30:00Z", "2026-11-01T01:30:00.000-08:00");
        // By half an hour.
        shows("Australia/Lord_Howe", "2026-04-04T14:59:00Z", "2026-04-05T01:59:00.000+11:00");
        shows("Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05T01:30:00.000+10:30");
    }

    #[test]
    fn other_days_years_and_offsets() {
        shows("Asia/Kolkata", "2025-12-31T18:30:00Z", "2026-01-01T00:00:00.000+05:30");
        shows("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T23:59:59.000-10:00");
        shows("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00.000+14:00");
        shows("Europe/London", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000+00:00");
        for utc in ["UTC", "Etc/UTC", "utc"] {
            shows(utc, "2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500Z");
        }
    }

    #[test]
    fn a_name_that_is_unknown_comes_with_suggestions() {
        let said = |name: &str| Zone::named(name).unwrap_err();
        assert!(
            said("Europe/Berlim").contains("did you mean Europe/Berlin"),
            "{}",
            said("Europe/Berlim")
        );
        assert!(said("Los_Angeles").contains("America/Los_Angeles"), "{}", said("Los_Angeles"));
        assert!(
            said("Mars/Olympus_Mons").contains("write one such as"),
            "{}",
            said("Mars/Olympus_Mons")
        );
        assert!(Zone::named("").is_ok());
        assert_eq!(Zone::named("europe/berlin"), Zone::named("Europe/Berlin"));
    }

    proptest! {
        #[test]
        fn whatever_is_shown_is_the_same_time(ms in -2_208_988_800_000i64..4_102_444_800_000, at in 0usize..6) {
            let names = ["America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Africa/Cairo", "UTC", "Asia/Tokyo"];
            // Before offsets were whole minutes, RFC 3339 has no words for them.
            prop_assume!(ms > 0 || names[at] == "UTC");
            let time = Timestamp::from_millis(ms);
            let zone = Zone::named(names[at]).unwrap();
            prop_assert_eq!(zone.shown(time).parse::<Timestamp>(), Ok(time));
        }
    }
}
