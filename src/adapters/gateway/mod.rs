//! Payment providers.

mod simulated;

pub use simulated::SimulatedGateway;
