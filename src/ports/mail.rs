//! Telling people: e-mail and SMS, each with a stable id so that a repeat can be recognised.

use async_trait::async_trait;

use crate::domain::{Email, OrderId, Phone, Timestamp};

/// An e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// `Message-ID`, without the angle brackets; the same for every attempt.
    pub message_id: String,
    /// The order it is about, if any.
    pub order_id: Option<OrderId>,
    /// To whom.
    pub to: Email,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
}

/// A text message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Names the message; the same for every attempt.
    pub message_id: String,
    /// The order it is about, if any.
    pub order_id: Option<OrderId>,
    /// To whom.
    pub to: Phone,
    /// What it says.
    pub body: String,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Not now (SMTP 4xx, no connection).
    #[error("mail not accepted for now: {0}")]
    Later(String),
    /// Perhaps: it was handed over, and no answer came. Another attempt may make a second copy of it.
    #[error("mail may have been accepted, but no answer came: {0}")]
    Unanswered(String),
    /// Never (SMTP 5xx).
    #[error("mail refused: {0}")]
    Refused(String),
}

/// Sends e-mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands over one message; when this returns it is the recipient side's.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Sends text messages.
#[async_trait]
pub trait Sms: Send + Sync {
    /// Hands over one message.
    async fn text(&self, text: &Text) -> Result<(), MailError>;
}

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Received {
    /// Rises with every arrival.
    pub seq: i64,
    /// `email` or `sms`.
    pub channel: String,
    /// The sender's stable id.
    pub message_id: String,
    /// The order it is about.
    pub order_id: Option<String>,
    /// To whom.
    pub recipient: String,
    /// Its subject, empty for a text message.
    pub subject: String,
    /// What it says.
    pub body: String,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// Which messages to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailFilter {
    /// Only those about this order.
    pub order_id: Option<String>,
    /// Only those to this address.
    pub recipient: Option<String>,
    /// Only those after this arrival number.
    pub after: i64,
    /// At most this many.
    pub limit: u32,
}

/// A mailbox that can be looked into: the embedded one, or a test server's.
#[async_trait]
pub trait Mailbox: Send + Sync {
    /// The messages that match, oldest first: every copy that arrived, repeats included.
    async fn messages(&self, filter: &MailFilter) -> Result<Vec<Received>, MailError>;
}
