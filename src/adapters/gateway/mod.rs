//! Payment providers.

mod dials;
mod simulated;

pub use dials::{GatewayDials, SharedDials};
pub use simulated::SimulatedGateway;
