//! The topics of the shop: a closed set, with what each needs to be created.

use crate::domain::closed_set::closed_set;

closed_set! {
    /// A topic; for all but `dlq.events` its name is the type of the events on it.
    Topic {
        /// A line was added to a cart, or its quantity raised.
        CartItemAdded = "cart.item_added",
        /// A line was removed from a cart, or its quantity lowered.
        CartItemRemoved = "cart.item_removed",
        /// A cart became an order.
        CartCheckoutInitiated = "cart.checkout_initiated",
        /// An order exists.
        OrderCreated = "order.created",
        /// An order is paid.
        OrderConfirmed = "order.confirmed",
        /// An order will not be served.
        OrderCancelled = "order.cancelled",
        /// Money was taken.
        PaymentProcessed = "payment.processed",
        /// No money was taken.
        PaymentFailed = "payment.failed",
        /// Taken money was given back.
        PaymentRefunded = "payment.refunded",
        /// The order's units are out of stock for good.
        InventoryReserved = "inventory.reserved",
        /// The order's units were given back.
        InventoryReleased = "inventory.released",
        /// The order's units could not be had.
        InventoryReservationFailed = "inventory.reservation_failed",
        /// A product's stock fell to its threshold.
        InventoryLow = "inventory.low",
        /// A product's stock fell to nothing.
        InventoryDepleted = "inventory.depleted",
        /// A shopper should hear of an order's outcome.
        NotificationSend = "notification.send",
        /// A rule of the fraud job matched.
        FraudDetected = "fraud.detected",
        /// Records that a service could not process.
        DlqEvents = "dlq.events",
        /// A product was created, changed or delisted.
        CatalogProductUpserted = "catalog.product_upserted",
        /// A seller delivered units.
        CatalogStockReceived = "catalog.stock_received",
        /// A shopper signed up.
        UserRegistered = "user.registered",
        /// A shopper viewed, searched or clicked.
        UserInteraction = "user.interaction",
        /// An old order moved to the archive.
        OrderArchived = "order.archived",
    }
}
