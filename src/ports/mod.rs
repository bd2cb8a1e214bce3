//! What the shop needs from the world, as narrow object-safe traits. Each has an embedded adapter
//! and, for a cluster, an external one; one contract suite runs on every adapter of a port.
//! No adapter, no service and no runtime is named here.

pub mod admin;
pub mod bus;
pub mod cache;
pub mod causes;
pub mod clock;
pub mod dialect;
pub mod dials;
pub mod gateway;
pub mod holds;
pub mod inquiry;
pub mod lookup;
pub mod mail;
pub mod notices;
pub mod random;
pub mod signal;
pub mod spans;
pub mod spawn;
pub mod store;
pub mod webhook;

pub use admin::BusAdmin;
pub use bus::{BusError, EventBus, NewRecord, Position, Record, Subscription};
pub use cache::{Cache, CacheError};
pub use clock::Clock;
pub use dials::{GatewayDials, SharedDials};
pub use gateway::{Gateway, GatewayError};
pub use holds::{Holds, HoldsError};
pub use inquiry::{Answer, Inquiry, InquiryError};
pub use lookup::{CatalogLookup, CheckoutLookup};
pub use mail::{MailError, Mailbox, Mailer, Sms};
pub use notices::{Notice, Notices};
pub use random::{Dice, Randomness};
pub use signal::Signal;
pub use spans::Spans;
pub use spawn::Spawn;
pub use store::{Batch, Expect, Read, Row, Store, StoreError, Value, values};
