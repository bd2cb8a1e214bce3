//! Event buses.

pub mod log;

pub use log::EmbeddedLog;
