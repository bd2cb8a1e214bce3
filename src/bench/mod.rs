//! Measuring the shop: what the bars of the project are held against. Not for tests.

pub mod ground;
pub mod saga;
