//! The first catalogue: twenty products of an electronics shop, and more on request.

use fake::Fake;
use fake::faker::company::en::{BsAdj, CompanyName};

use crate::domain::{Money, ProductId, Quantity};
use crate::ports::Dice;
use crate::services::catalog::{Catalog, CatalogError, NewProduct};

/// Products created in one unit of work.
const BATCH: usize = 200;

/// Id, name, price in cents, units. `PROD-123` at 49.99 is what the original shop's examples buy.
const FIRST: [(&str, &str, i64, u32); 20] = [
    ("PROD-001", "Noise-cancelling headphones", 14_999, 80),
    ("PROD-002", "USB-C cable, 2 m", 1_299, 500),
    ("PROD-003", "Shock-proof phone case", 1_999, 300),
    ("PROD-004", "Screen protector, 2 pieces", 999, 400),
    ("PROD-005", "Aluminium laptop stand", 3_999, 120),
    ("PROD-006", "Mechanical keyboard", 9_999, 60),
    ("PROD-007", "Large mouse pad", 2_499, 250),
    ("PROD-008", "USB hub, 4 ports", 2_999, 200),
    ("PROD-009", "Monitor arm for two screens", 8_999, 40),
    ("PROD-010", "LED desk lamp", 3_499, 150),
    ("PROD-011", "Cable organiser", 1_499, 350),
    ("PROD-012", "Webcam, 1080p", 5_999, 90),
    ("PROD-013", "Condenser microphone", 7_999, 70),
    ("PROD-014", "HDMI cable, 4K", 1_599, 400),
    ("PROD-015", "microSD card, 128 GB", 3_499, 220),
    ("PROD-016", "Portable SSD, 1 TB", 12_999, 75),
    ("PROD-017", "Laptop cooling pad", 4_499, 110),
    ("PROD-018", "Keyboard cover", 999, 180),
    ("PROD-019", "Phone holder", 1_499, 260),
    ("PROD-123", "Power bank, 30 000 mAh", 4_999, 200),
];

const NOUNS: [&str; 12] = [
    "charger",
    "adapter",
    "speaker",
    "tripod",
    "router",
    "backpack",
    "stylus",
    "projector",
    "earbuds",
    "dock",
    "smart plug",
    "e-reader",
];

/// The first `count` products; those after the twentieth are drawn from `dice`.
pub fn products(count: usize, dice: &mut Dice) -> Vec<NewProduct> {
    let id = |text: String| text.parse::<ProductId>().expect("made of safe characters");
    let named = FIRST.iter().take(count).map(|(product, name, price, stock)| NewProduct {
        product_id: id((*product).to_owned()),
        seller_id: "seller-0".into(),
        name: (*name).into(),
        description: String::new(),
        price: Money::from_minor(*price),
        stock: Quantity::new(*stock).ok(),
    });
    let mut all: Vec<NewProduct> = named.collect();
    for n in FIRST.len()..count {
        let adjective: String = BsAdj().fake_with_rng(dice.rng());
        let maker: String = CompanyName().fake_with_rng(dice.rng());
        let noun = dice.pick(&NOUNS).copied().unwrap_or_default();
        all.push(NewProduct {
            product_id: id(format!("PROD-{:06}", 1_000 + n)),
            seller_id: format!("seller-{}", n % 50),
            name: format!("{adjective} {noun}"),
            description: format!("By {maker}"),
            price: Money::from_minor(99 + dice.below(20_000) as i64),
            stock: Quantity::new(20 + dice.below(400) as u32).ok(),
        });
    }
    all
}

/// Fills an empty catalogue; how many products were created.
pub async fn seed(catalog: &Catalog, count: usize, dice: &mut Dice) -> Result<usize, CatalogError> {
    if !catalog.is_empty().await? {
        return Ok(0);
    }
    for batch in products(count, dice).chunks(BATCH) {
        match catalog.create(batch, &|_, _| {}).await {
            Ok(_) => {}
            // Another process that found it empty is filling it, with the same products.
            Err(CatalogError::Exists(_)) => return Ok(0),
            Err(e) => return Err(e),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ports::Randomness;

    #[test]
    fn the_first_catalogue_holds_what_the_original_examples_buy() {
        let mut dice = Randomness::seeded(1).stream("catalogue");
        let all = products(500, &mut dice);
        let ids: BTreeSet<&str> = all.iter().map(|p| p.product_id.as_str()).collect();
        assert_eq!(ids.len(), 500);
        assert!(ids.contains("PROD-001"));
        let bought = all.iter().find(|p| p.product_id.as_str() == "PROD-123").unwrap();
        assert_eq!(bought.price.to_string(), "49.99");
        assert_eq!(all, products(500, &mut Randomness::seeded(1).stream("catalogue")));
    }
}
