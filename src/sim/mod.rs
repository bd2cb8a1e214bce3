//! The lab: shoppers and sellers that use the shop over HTTP, a checker that trusts only what the
//! shop cannot write, and an engine that does all of it in virtual time from a seed.

pub mod check;
pub mod figures;
pub mod lab;
pub mod live;
pub mod report;
pub mod virtual_time;

/// The shop that should be used cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);
