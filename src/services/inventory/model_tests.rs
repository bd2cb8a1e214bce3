//! A shelf keeps count: nothing is taken that is not there, and every crossing is told once.

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1);

fn id(name: &str) -> ProductId {
    name.parse().unwrap()
}

fn units(name: &str, n: u32) -> Units {
    Units { product_id: id(name), quantity: Quantity::new(n).unwrap() }
}

fn shelf(stock: &[(&str, i64)]) -> Shelf {
    let mut shelf = Shelf::default();
    for (name, stock) in stock {
        shelf.product_mut(&id(name), NOW).stock = *stock;
        let on_shelf = shelf.products.get_mut(&id(name)).unwrap();
        on_shelf.tracked = Tracked::stored(on_shelf.tracked.row.clone(), 1);
        on_shelf.stock_before = *stock;
    }
    shelf
}

#[test]
fn lines_of_one_product_are_counted_together() {
    let line = |name: &str, n| Line {
        product_id: id(name),
        name: String::new(),
        quantity: Quantity::new(n).unwrap(),
        price: Money::ZERO,
    };
    assert_eq!(
        units_of(&[line("b", 1), line("a", 2), line("b", 3)]),
        [units("a", 2), units("b", 4)]
    );
}

#[test]
fn a_crossing_is_told_once_and_only_downward() {
    #[track_caller]
    fn check(before: i64, after: i64, falls: &[Fall]) {
        let mut shelf = shelf(&[("a", before)]);
        shelf.product_mut(&id("a"), NOW).stock = after;
        assert_eq!(shelf.falls(10), falls, "{before} → {after}");
    }
    check(11, 10, &[Fall::Low(id("a"), 10)]);
    check(10, 9, &[]);
    check(11, 0, &[Fall::Low(id("a"), 0), Fall::Depleted(id("a"))]);
    check(1, 0, &[Fall::Depleted(id("a"))]);
    check(0, 20, &[]);
    check(5, 15, &[]);
    check(12, 11, &[]);
}

#[test]
fn a_row_changed_many_times_in_a_batch_counts_one_version() {
    let mut shelf = shelf(&[("a", 9)]);
    shelf.take(&[units("a", 1)]);
    shelf.take(&[units("a", 2)]);
    shelf.put_back(&[units("a", 1)]);
    let product = &shelf.products[&id("a")].tracked;
    assert_eq!((product.row.stock, product.row.version, product.stored_version), (7, 2, Some(1)));
}

proptest! {
    #[test]
    fn what_is_not_short_can_be_taken_and_put_back(stock in 0i64..50, wanted in proptest::collection::vec(1u32..20, 1..8)) {
        let mut shelf = shelf(&[("a", stock)]);
        let mut taken = vec![];
        for n in wanted {
            let want = [units("a", n)];
            if shelf.short_of(&want).is_empty() {
                shelf.take(&want);
                taken.push(want);
            }
            prop_assert!(shelf.products[&id("a")].tracked.row.stock >= 0);
        }
        taken.iter().for_each(|units| shelf.put_back(units));
        prop_assert_eq!(shelf.products[&id("a")].tracked.row.stock, stock);
    }
}
