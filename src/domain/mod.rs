//! The words of the shop as parsed types: what exists here is valid. No I/O, no other module.

pub(crate) mod closed_set;
pub mod contact;
pub mod ids;
pub mod line;
pub mod money;
pub mod quantity;
pub mod reason;
pub mod secret;
pub mod spelling;
pub mod time;

pub use contact::{Email, Phone};
pub use ids::{CartId, EventId, OrderId, PaymentId, ProductId, UserId};
pub use line::{Line, lines_total};
pub use money::Money;
pub use quantity::Quantity;
pub use reason::{CancelReason, DeclineReason};
pub use secret::Secret;
pub use time::Timestamp;

/// Why a value was refused. The text names the rule, not the caller's field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub std::borrow::Cow<'static, str>);

impl Invalid {
    /// A refusal with a fixed text.
    pub const fn new(rule: &'static str) -> Self {
        Self(std::borrow::Cow::Borrowed(rule))
    }
}
