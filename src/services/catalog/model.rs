//! What sellers offer, and what they may do with it. Pure.

use crate::domain::{Invalid, Money, ProductId, Timestamp};
use crate::events::catalog::ProductUpserted;

/// Longest name, in characters.
pub const NAME_MAX: usize = 200;
/// Longest seller id, in characters.
pub const SELLER_ID_MAX: usize = 64;
/// Longest description, in characters.
pub const DESCRIPTION_MAX: usize = 1_000;

/// A product as its seller offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The product.
    pub product_id: ProductId,
    /// Who sells it.
    pub seller_id: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Price of one unit.
    pub price: Money,
    /// Whether it can be bought.
    pub listed: bool,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was first offered.
    pub created_at: Timestamp,
}

impl Offer {
    /// Takes another price; whether that is a change.
    pub fn reprice(&mut self, price: Money) -> bool {
        let changed = self.price != price;
        if changed {
            self.price = price;
            self.version += 1;
        }
        changed
    }

    /// Is not sold any more; whether that is a change.
    pub fn delist(&mut self) -> bool {
        let changed = std::mem::replace(&mut self.listed, false);
        self.version += i64::from(changed);
        changed
    }

    /// The event that tells of it as it is now.
    pub fn told(&self) -> ProductUpserted {
        ProductUpserted {
            product_id: self.product_id.clone(),
            seller_id: self.seller_id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            price: self.price,
            listed: self.listed,
            version: self.version,
        }
    }
}

/// Checks a text that people will read: not empty if `required`, bounded, no control characters.
pub fn check_text(text: &str, max: usize, required: bool) -> Result<(), Invalid> {
    if required && text.trim().is_empty() {
        return Err(Invalid::new("must not be empty"));
    }
    if text.chars().count() > max {
        return Err(Invalid(format!("must be at most {max} characters long").into()));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Invalid::new("must not contain control characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_count() {
        let mut offer = Offer {
            product_id: "P".parse().unwrap(),
            seller_id: "s".into(),
            name: "Cable".into(),
            description: String::new(),
            price: Money::from_minor(100),
            listed: true,
            version: 1,
            created_at: Timestamp::default(),
        };
        assert!(!offer.reprice(Money::from_minor(100)));
        assert!(offer.reprice(Money::from_minor(120)));
        assert!(offer.delist());
        assert!(!offer.delist());
        assert_eq!((offer.version, offer.listed), (3, false));
    }

    #[test]
    fn texts_are_bounded() {
        assert!(check_text("Cable", 5, true).is_ok());
        for bad in ["", "  ", "Cables", "a\0b"] {
            assert!(check_text(bad, 5, true).is_err(), "{bad:?}");
        }
        assert!(check_text("", 5, false).is_ok());
    }
}
