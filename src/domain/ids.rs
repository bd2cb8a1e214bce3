//! Identifiers. Outside ids (users, products) are bounded in length and alphabet, so that they are
//! safe in paths, keys and logs; ids of our own are made from UUIDv7 and sort by time.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Invalid;

/// Longest accepted user or product id, in bytes.
pub const ID_LEN_MAX: usize = 64;

fn check_outside_id(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("must not be empty"));
    }
    if text.len() > ID_LEN_MAX {
        return Err(Invalid::new("must be at most 64 characters long"));
    }
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'@');
    if !text.bytes().all(allowed) {
        return Err(Invalid::new("may contain only letters, digits and - _ . : @"));
    }
    if text.bytes().all(|b| b == b'.') {
        return Err(Invalid::new("must not consist of dots"));
    }
    Ok(())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> Result<(), Invalid> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
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

text_id! {
    /// A shopper, as the caller names them (`user123`).
    UserId, check_outside_id
}
text_id! {
    /// A product of the catalogue (`PROD-123`).
    ProductId, check_outside_id
}
text_id! {
    /// An order: `ORD-` and the base32 form of its cart's id, so that one cart can only ever
    /// become one order.
    OrderId, |text| check_own_id(text, "ORD-")
}
text_id! {
    /// A payment: `PAY-` and the same base32 text as its order, since an order is charged once.
    PaymentId, |text| check_own_id(text, "PAY-")
}

fn check_own_id(text: &str, prefix: &str) -> Result<(), Invalid> {
    check_outside_id(text)?;
    match text.strip_prefix(prefix) {
        Some(rest) if !rest.is_empty() => Ok(()),
        _ if prefix == "ORD-" => Err(Invalid::new("must start with ORD-")),
        _ => Err(Invalid::new("must start with PAY-")),
    }
}

impl OrderId {
    /// The order that `cart` becomes.
    pub fn of_cart(cart: CartId) -> Self {
        Self(format!("ORD-{}", BASE32_NOPAD.encode(cart.0.as_bytes())).into())
    }
}

impl PaymentId {
    /// The payment of `order`.
    pub fn of_order(order: &OrderId) -> Self {
        Self(format!("PAY-{}", order.as_str().trim_start_matches("ORD-")).into())
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Uuid::try_parse(text).map(Self).map_err(|_| Invalid::new("must be a UUID"))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut [0; 36]))
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

uuid_id! {
    /// A cart, from its first line to its checkout.
    CartId
}
uuid_id! {
    /// One event; every event has its own.
    EventId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, valid: bool) {
        assert_eq!(text.parse::<UserId>().is_ok(), valid, "{text:?}");
    }

    #[test]
    fn outside_ids_are_bounded_in_length_and_alphabet() {
        for good in ["user123", "a", "PROD-001", "ann@example.com", "x_y:z.9"] {
            check(good, true);
        }
        let long = "x".repeat(ID_LEN_MAX + 1);
        for bad in ["", "..", ".", "a/b", "a\0b", "naïve", "🛒", "a b", "a%2Fb", &long] {
            check(bad, false);
        }
    }

    #[test]
    fn a_cart_names_its_order_and_payment() {
        let order = OrderId::of_cart(CartId(Uuid::from_u128(1)));
        assert_eq!(order.as_str(), "ORD-AAAAAAAAAAAAAAAAAAAAAAAAAE");
        assert_eq!(PaymentId::of_order(&order).as_str(), "PAY-AAAAAAAAAAAAAAAAAAAAAAAAAE");
        assert!(order.as_str().parse::<OrderId>().is_ok());
    }

    #[test]
    fn order_ids_of_later_carts_sort_later() {
        let (early, late) = (CartId(Uuid::from_u128(7 << 90)), CartId(Uuid::from_u128(9 << 90)));
        assert!(OrderId::of_cart(early) < OrderId::of_cart(late));
    }
}
