//! The payment provider as a server of its own: what its answers mean, what becomes of a charge whose
//! answer is lost, and what it tells without being asked.

#![expect(clippy::unwrap_used, reason = "clippy knows tests, but not what they call")]

mod answers;
mod crash;
mod messages;
mod server;
mod stub;
