//! Event buses.

pub mod kafka;
pub mod log;

pub use kafka::KafkaBus;
pub use log::EmbeddedLog;
