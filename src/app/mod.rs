//! How everything is put together: configuration, the data folder, and the one place where adapters
//! and decorators are named.

pub mod backends;
pub mod backup;
pub mod checkup;
pub mod config;
pub mod console;
pub mod corner;
pub mod embedded;
pub mod emptying;
pub mod folder;
pub mod logging;
pub mod office;
mod parts;
pub mod ports;
pub mod provider;
pub mod remains;
pub mod roles;
pub mod seeding;
pub mod shop;
pub mod telemetry;
pub mod variables;
pub mod zone;

pub use crate::adapters::clock::SystemClock;
pub use crate::adapters::random::system_randomness;
pub use backends::{Backends, NotUsable};
pub use config::Settings;
pub use console::Console;
pub use corner::Corner;
pub use embedded::Embedded;
pub use folder::DataFolder;
pub use office::Office;
pub use ports::Ports;
pub use remains::Remains;
pub use roles::{Role, Roles};
pub use shop::Shop;
pub use telemetry::Telemetry;
pub use zone::Zone;
