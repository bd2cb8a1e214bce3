//! How a shopper can be reached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use super::Invalid;

/// A mailbox address: something before and after one `@`, no spaces or control characters, at
/// most 254 bytes (RFC 5321 §4.5.3.1.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// A telephone number in international form: `+` and 6 to 15 digits (E.164).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Phone(String);

impl FromStr for Email {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let printable =
            text.bytes().all(|b| b.is_ascii_graphic() && !b"<>()[],;:\\\"".contains(&b));
        let parts = text.split_once('@').filter(|(local, domain)| {
            !local.is_empty() && local.len() <= 64 && !domain.is_empty() && !domain.contains('@')
        });
        if !printable || parts.is_none() || text.len() > 254 {
            return Err(Invalid::new("must be an e-mail address"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Phone {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        if !(6..=15).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Invalid::new("must be + and 6 to 15 digits"));
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! text_contact {
    ($name:ident) => {
        impl $name {
            /// The address as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
text_contact!(Email);
text_contact!(Phone);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_cannot_smuggle_headers() {
        for good in ["a@b", "ann.lee+x@example.com"] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: x@y", "<a@b>", "é@b"] {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }

    #[test]
    fn phones_are_e164() {
        assert!("+4915112345678".parse::<Phone>().is_ok());
        for bad in ["015112345678", "+12", "+12345678901234567", "+49 151", ""] {
            assert!(bad.parse::<Phone>().is_err(), "{bad}");
        }
    }
}
