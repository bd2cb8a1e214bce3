//! Money: whole minor units inside, a JSON number with two decimals outside, never a float.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Invalid, Quantity};

/// An amount in minor units (cents) of the shop's one currency, USD.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest single price: one hundred million, so that no basket overflows.
    pub const PRICE_MAX: Self = Self(10_000_000_000);
    /// The currency of every amount, ISO 4217.
    pub const CURRENCY: &'static str = "USD";

    /// From minor units.
    pub const fn from_minor(minor: i64) -> Self {
        Self(minor)
    }

    /// In minor units.
    pub const fn minor(self) -> i64 {
        self.0
    }

    /// The price of `quantity` units.
    #[must_use]
    pub fn times(self, quantity: Quantity) -> Self {
        Self(self.0 * i64::from(quantity.get()))
    }

    /// Parses a price: a plain decimal, not negative, at most two decimals, at most
    /// [`Money::PRICE_MAX`].
    pub fn parse_price(text: &str) -> Result<Self, Invalid> {
        let amount: Self = text.parse()?;
        if amount < Self::ZERO || text.starts_with('-') {
            return Err(Invalid::new("must not be negative"));
        }
        if amount > Self::PRICE_MAX {
            return Err(Invalid::new("must be at most 100000000.00"));
        }
        Ok(amount)
    }
}

impl FromStr for Money {
    type Err = Invalid;

    /// Parses `12`, `12.5`, `12.50` and their negatives exactly; exponents are refused.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let shape = || Invalid::new("must be a decimal number with at most two decimals");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text),
        };
        let (whole, cents) = digits.split_once('.').unwrap_or((digits, "00"));
        let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let cents = match cents.len() {
            1 | 2 => cents,
            _ => cents.trim_end_matches('0').get(..).filter(|c| c.len() <= 2).ok_or_else(shape)?,
        };
        if !all_digits(whole) || !(cents.is_empty() || all_digits(cents)) || digits.ends_with('.') {
            return Err(shape());
        }
        if whole.len() > 15 {
            return Err(Invalid::new("is too large"));
        }
        let fraction = format!("{cents:0<2}");
        let minor = format!("{whole}{fraction}").parse::<i64>().map_err(|_| shape())?;
        Ok(Self(sign * minor))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let minor = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", minor / 100, minor % 100)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    /// Reads the digits as written: `49.99` never passes through a float.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Money::parse_price(raw.get()).map_err(serde::de::Error::custom)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, minor: Option<i64>) {
        assert_eq!(text.parse::<Money>().ok().map(Money::minor), minor, "{text:?}");
    }

    #[test]
    fn decimals_parse_exactly() {
        check("49.99", Some(4999));
        check("0", Some(0));
        check("7.5", Some(750));
        check("7.500", Some(750));
        check("-3.05", Some(-305));
        check("0.10", Some(10));
        for bad in ["", "-", ".5", "5.", "1e3", "1.005", "NaN", "1,00", " 1", "+1", "0x1", "1.-5"] {
            check(bad, None);
        }
        check("999999999999999999", None);
    }

    #[test]
    fn a_price_is_not_negative_and_bounded() {
        assert!(Money::parse_price("-0.01").is_err());
        assert!(Money::parse_price("-0").is_err());
        assert!(Money::parse_price("100000000.01").is_err());
        assert_eq!(Money::parse_price("100000000.00"), Ok(Money::PRICE_MAX));
    }

    #[test]
    fn json_keeps_two_decimals() {
        assert_eq!(serde_json::to_string(&Money::from_minor(4990)).unwrap(), "49.90");
        assert_eq!(serde_json::from_str::<Money>("49.9").unwrap(), Money::from_minor(4990));
        assert!(serde_json::from_str::<Money>("\"49.9\"").is_err());
    }

    proptest! {
        #[test]
        fn text_round_trips(minor in -10_000_000_000i64..10_000_000_000) {
            let money = Money::from_minor(minor);
            prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
        }
    }
}
