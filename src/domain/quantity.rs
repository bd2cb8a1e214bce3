//! A number of units.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::Invalid;

/// Units of one product: at least one, at most [`Quantity::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Quantity(u32);

impl Quantity {
    /// The largest quantity of one line or one delivery: a million units.
    pub const MAX: u32 = 1_000_000;
    /// One unit.
    pub const ONE: Self = Self(1);

    /// Checks the bounds.
    pub fn new(units: u32) -> Result<Self, Invalid> {
        match units {
            0 => Err(Invalid::new("must be at least 1")),
            1..=Self::MAX => Ok(Self(units)),
            _ => Err(Invalid::new("must be at most 1000000")),
        }
    }

    /// The number of units.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Both together, if that is still a quantity.
    pub fn plus(self, other: Self) -> Result<Self, Invalid> {
        Self::new(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl serde::de::Visitor<'_> for Whole {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1 to 1000000")
            }
            fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Quantity, E> {
                Quantity::new(u32::try_from(n).unwrap_or(u32::MAX)).map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Quantity, E> {
                match u64::try_from(n) {
                    Ok(n) => self.visit_u64(n),
                    Err(_) => Err(E::custom("must be at least 1")),
                }
            }
        }
        deserializer.deserialize_any(Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_bounded_numbers_are_quantities() {
        let parse = serde_json::from_str::<Quantity>;
        assert_eq!(parse("1").unwrap(), Quantity::ONE);
        assert_eq!(parse("1000000").unwrap().get(), Quantity::MAX);
        for bad in ["0", "-1", "1.5", "1e3", "\"1\"", "1000001", "99999999999999999999", "null"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
