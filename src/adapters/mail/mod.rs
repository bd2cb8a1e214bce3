//! Mail and text messages: a mailbox of our own; and for a cluster an SMTP server, a webhook for text
//! messages, and the mailboxes of test servers.

mod address;
mod by_mail;
mod http;
mod inbox;
mod mailbox;
mod sms;
mod smtp;
mod turns;

pub use address::BadAddress;
pub use by_mail::SmsByMail;
pub use inbox::{HttpInbox, MaildevInbox, MailpitInbox};
pub use mailbox::{LocalMailbox, received};
pub use sms::WebhookSms;
pub use smtp::SmtpMailer;
