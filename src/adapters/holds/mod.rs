//! Holds on stock.

mod memory;

pub use memory::MemoryHolds;
