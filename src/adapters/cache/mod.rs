//! Caches.

mod memory;

pub use memory::MemoryCache;
