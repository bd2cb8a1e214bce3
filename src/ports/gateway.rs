//! The payment provider. Every call carries a stable key: the provider does a thing once per key,
//! however often it is asked, and the answer to the same key is the same.

use async_trait::async_trait;

use crate::domain::{DeclineReason, Money, OrderId, UserId};

/// Asks for money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Names the charge for ever: the order's id.
    pub key: String,
    /// For which order.
    pub order_id: OrderId,
    /// From whom.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
}

/// Gives money back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Names the refund for ever: the order's id and `:refund`.
    pub key: String,
    /// The charge it undoes.
    pub charge_key: String,
    /// How much.
    pub amount: Money,
}

/// What the provider decided about a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The money was taken.
    Captured,
    /// No money was taken.
    Declined(DeclineReason),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// No answer in time: it may or may not have been done. Ask for its status.
    #[error("gateway timed out, outcome unknown")]
    Unknown,
    /// The provider was not reached: nothing was done.
    #[error("gateway unavailable: {0}")]
    Unavailable(String),
    /// The provider will never do this.
    #[error("gateway refused: {0}")]
    Refused(String),
}

impl GatewayError {
    /// Whether asking again later can succeed.
    pub const fn is_transient(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// A payment provider.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// Takes money, once per key. A key with a decision keeps it, whatever amount is asked for
    /// under it later.
    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError>;

    /// What became of the charge with `key`; none if the provider never saw it.
    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError>;

    /// What became of the charge with `key`; if there is none, there never will be: one that arrives
    /// later is refused. Until then, another process or a request that is still on its way may charge.
    async fn cancel(&self, key: &str) -> Result<Option<Decision>, GatewayError>;

    /// Gives money back, once per key. Refused if nothing was captured under the charge's key, or
    /// another amount.
    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError>;
}
