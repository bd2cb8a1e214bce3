//! Payment providers: the simulated one with its ledger, and any that is reached over HTTP, with
//! what both sides of that wire share.

mod http;
mod ledger;
mod messages;
mod simulated;
pub mod wire;

pub use http::HttpGateway;
pub use ledger::{HttpLedger, Ledger, LedgerCharge, LedgerRefund, OrderBooks, PAGE_MAX};
pub use messages::{Message, Messages, pause};
pub use simulated::SimulatedGateway;
