//! The shop on real servers that are killed under it: whatever dies, nothing is oversold, lost or charged
//! twice.

mod degraded;
mod faults;
mod fleet;
mod ground;
mod soak;
