//! People and what they do: shoppers come at random times, look around, fill carts, check out, click
//! twice, change their minds and come back; sellers reprice, restock, delist and add meanwhile.

pub mod chance;
pub mod client;
pub mod history;
pub mod people;
pub mod seller;
pub mod shelf;
pub mod shopper;
pub mod stats;
pub mod wire;

mod crowd;

pub use client::{Call, Client, Reply};
pub use crowd::{Crowd, run};
pub use history::History;
pub use people::Workload;
pub use stats::Stats;
