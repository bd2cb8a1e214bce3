//! Cache and holds on a Redis server (6.2 or later), shared by all processes of a shop. Both can be
//! lost at any time: what they know can be had again from the store.

mod cache;
mod holds;
mod link;
mod look;
mod sweep;

pub use cache::RedisCache;
pub use holds::RedisHolds;
pub use link::{LinkError, RedisLink};
pub use look::RedisFacts;
