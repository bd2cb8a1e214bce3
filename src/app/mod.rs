//! How everything is put together: configuration, the data folder, and the one place where adapters
//! and decorators are named.

pub mod config;
pub mod embedded;
pub mod folder;
pub mod logging;
pub mod ports;
pub mod roles;
pub mod seeding;
pub mod shop;

pub use crate::adapters::clock::SystemClock;
pub use crate::adapters::random::system_randomness;
pub use config::Settings;
pub use embedded::Embedded;
pub use folder::{DataFolder, Tables};
pub use ports::Ports;
pub use roles::{Role, Roles};
pub use shop::Shop;
