//! How everything is put together: configuration, the data folder, and the one place where adapters
//! and decorators are named.

pub mod backends;
pub mod config;
pub mod corner;
pub mod embedded;
pub mod folder;
pub mod logging;
mod parts;
pub mod ports;
pub mod provider;
pub mod remains;
pub mod roles;
pub mod seeding;
pub mod shop;
pub mod telemetry;

pub use crate::adapters::clock::SystemClock;
pub use crate::adapters::random::system_randomness;
pub use backends::{Backends, NotUsable};
pub use config::Settings;
pub use corner::Corner;
pub use embedded::Embedded;
pub use folder::DataFolder;
pub use ports::Ports;
pub use remains::Remains;
pub use roles::{Role, Roles};
pub use shop::Shop;
pub use telemetry::Telemetry;
