//! Mail and text messages.

mod mailbox;

pub use mailbox::LocalMailbox;
