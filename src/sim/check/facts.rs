//! What the checker knows of the shop's plan, written down a second time on purpose: if the shop
//! forgets to read a topic, somebody must notice.

/// Who reads which topic: consumer, its group, its topics.
pub(super) const READERS: &[(&str, &str, &[&str])] = &[
    (
        "order",
        "order-service-group",
        &[
            "cart.checkout_initiated",
            "payment.processed",
            "payment.failed",
            "inventory.reserved",
            "inventory.reservation_failed",
        ],
    ),
    ("payment", "payment-service-group", &["order.created", "order.cancelled"]),
    (
        "inventory",
        "inventory-service-group",
        &[
            "order.created",
            "order.confirmed",
            "order.cancelled",
            "catalog.product_upserted",
            "catalog.stock_received",
        ],
    ),
    (
        "notification",
        "notification-service-group",
        &["notification.send", "inventory.low", "inventory.depleted"],
    ),
    (
        "cart",
        "cart-service-group",
        &[
            "cart.item_added",
            "cart.item_removed",
            "cart.checkout_initiated",
            "catalog.product_upserted",
        ],
    ),
];

/// Topics whose records come from an outbox.
pub(super) const FROM_OUTBOX: &[&str] = &[
    "cart.item_added",
    "cart.item_removed",
    "cart.checkout_initiated",
    "order.created",
    "order.confirmed",
    "order.cancelled",
    "payment.processed",
    "payment.failed",
    "payment.refunded",
    "inventory.reserved",
    "inventory.released",
    "inventory.reservation_failed",
    "inventory.low",
    "inventory.depleted",
    "notification.send",
    "catalog.product_upserted",
    "catalog.stock_received",
];

/// Where dead letters are.
pub(super) const DEAD_LETTERS: &str = "dlq.events";

/// Stock at or below which a product is low.
pub(super) const LOW_STOCK: i64 = 10;

/// The topic that tells of new prices.
pub(super) const NEW_PRICES: &str = "catalog.product_upserted";

/// An earlier price may be put into a cart for this long, and the cart may hear of a new one this
/// much later: in ms.
pub(super) const PRICE_STALENESS_MS: i64 = 60_000;

/// A charge that was begun in time may reach the provider this much later, in ms: the time that a
/// caller waits for the provider, and a second.
pub(super) const CHARGE_ARRIVES_MS: i64 = 3_000;

/// Retries before a dead letter, and the time they take at least, in ms.
pub(super) const RETRIES: u64 = 3;
pub(super) const RETRIES_TAKE_MS: i64 = 3_000;
