//! The world: each folder holds the adapters of one port, or those on one server. No service and no
//! runtime is named here, and each vendor crate in exactly one folder.

pub mod bus;
pub mod cache;
pub mod clock;
pub mod gateway;
pub mod holds;
pub mod mail;
pub mod otlp;
pub mod postgres;
pub mod random;
pub mod redis;
pub mod spawn;
pub mod sqlite;
pub mod store;
