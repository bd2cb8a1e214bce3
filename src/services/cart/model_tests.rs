//! Carts add up, and prices are what was shown.

use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const GRACE: Duration = Duration::from_mins(1);
const FRESH: CartId = CartId(Uuid::from_u128(1));

fn line(product: &str, quantity: u32, price: i64) -> Line {
    Line {
        product_id: product.parse().unwrap(),
        name: product.to_owned(),
        quantity: Quantity::new(quantity).unwrap(),
        price: Money::from_minor(price),
    }
}

fn cart(lines: &[Line]) -> Cart {
    let mut cart = Cart::untouched("u".parse().unwrap(), NOW);
    for line in lines {
        cart.add(line.clone(), FRESH).unwrap();
    }
    cart
}

fn tag(product: &str, price: i64) -> PriceTag {
    PriceTag {
        product_id: product.parse().unwrap(),
        name: product.to_owned(),
        price: Money::from_minor(price),
        listed: true,
        version: 1,
        previous: vec![],
    }
}

#[test]
fn adding_a_product_again_raises_its_line() {
    let cart = cart(&[line("a", 2, 100), line("b", 1, 50), line("a", 3, 100)]);
    assert_eq!(cart.items, [line("a", 5, 100), line("b", 1, 50)]);
    assert_eq!((cart.total(), cart.version), (Money::from_minor(550), 3));
}

#[test]
fn a_cart_is_bounded_in_lines_and_units() {
    let lines: Vec<_> = (0..LINES_MAX).map(|n| line(&format!("p{n}"), 1, 1)).collect();
    assert!(cart(&lines).add(line("one-more", 1, 1), FRESH).is_err());
    assert!(cart(&[line("a", Quantity::MAX, 1)]).add(line("a", 1, 1), FRESH).is_err());
}

#[test]
fn a_cart_keeps_its_name_until_it_is_checked_out() {
    let mut cart = cart(&[line("a", 1, 1)]);
    let other = CartId(Uuid::from_u128(2));
    assert_eq!(cart.add(line("b", 1, 1), other), Ok(FRESH));
    cart.checked_out(OrderId::of_cart(FRESH));
    assert!(cart.items.is_empty());
    assert_eq!(cart.add(line("b", 1, 1), other), Ok(other), "the next cart is another order");
}

#[test]
fn repriced_lines_take_todays_price_and_delisted_ones_go() {
    let mut cart = cart(&[
        line("same", 1, 100),
        line("up", 1, 100),
        line("gone", 1, 100),
        line("never", 1, 100),
    ]);
    let gone = PriceTag { listed: false, ..tag("gone", 100) };
    let touched = cart.refresh(&[tag("same", 100), tag("up", 120), gone]);
    assert_eq!(
        touched,
        [
            line("up", 1, 1).product_id,
            line("gone", 1, 1).product_id,
            line("never", 1, 1).product_id
        ]
    );
    assert_eq!(cart.items, [line("same", 1, 100), line("up", 1, 120)]);
    let version = cart.version;
    assert!(cart.refresh(&[tag("same", 100), tag("up", 120)]).is_empty());
    assert_eq!(cart.version, version, "nothing changed, nothing counted");
}

#[test]
fn an_earlier_price_is_good_for_its_grace_and_no_longer() {
    let mut known = tag("a", 100);
    known.replace(PriceTag { version: 2, ..tag("a", 130) }, NOW, GRACE);
    let old = Money::from_minor(100);
    assert!(known.accepts(Money::from_minor(130), NOW, GRACE));
    assert!(known.accepts(old, NOW + GRACE, GRACE));
    assert!(!known.accepts(old, NOW + GRACE + Duration::from_millis(1), GRACE));
    assert!(!known.accepts(Money::from_minor(99), NOW, GRACE));
    known.replace(PriceTag { version: 3, ..tag("a", 140) }, NOW + GRACE * 2, GRACE);
    assert_eq!(known.previous.len(), 1, "what is past its grace is forgotten");
}
