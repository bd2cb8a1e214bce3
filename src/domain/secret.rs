//! What only two sides may know.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};

use super::Invalid;

/// What is shown instead of a secret.
pub const MASK: &str = "***";

/// A shared secret: never shown, compared in constant time. Printable ASCII, so that it fits into a
/// header; never empty.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// The secret itself, for signing and sending.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `given` is the secret, in a time that does not tell where they differ.
    pub fn is(&self, given: &str) -> bool {
        let (own, given) = (self.0.as_bytes(), given.as_bytes());
        own.len() == given.len() && own.iter().zip(given).fold(0, |d, (a, b)| d | (a ^ b)) == 0
    }

    /// Reads a secret where an empty text means that there is none.
    pub fn optional(text: &str) -> Result<Option<Self>, Invalid> {
        if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
    }
}

impl std::str::FromStr for Secret {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text == MASK {
            return Err(Invalid::new(
                "is what is shown instead of a secret; set the secret itself",
            ));
        }
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Invalid::new("must be printable ASCII without spaces"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_but_not_shown() {
        let secret: Secret = "s3cret".parse().unwrap();
        assert!(secret.is("s3cret"));
        for other in ["", "s3cre", "s3cret!", "S3cret"] {
            assert!(!secret.is(other), "{other}");
        }
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "*** Some(***)");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for bad in ["", " ", "a b", "a\nb", "schlüssel", MASK] {
            assert!(bad.parse::<Secret>().is_err(), "{bad:?}");
        }
        assert!(Secret::optional("").unwrap().is_none());
    }
}
