//! Virtual time: the same services, shoppers and sellers on one thread, without sockets, where time
//! passes when nobody can run, and a seed chooses who runs next. The same seed gives the same run, in
//! another process too.

mod clock;
mod executor;
mod routes;
pub mod sched;
mod trace;
mod world;

pub use clock::VirtualClock;
pub use executor::Executor;
pub use routes::RouterClient;
pub use trace::{Difference, Trace};
pub use world::{Plan, Ran, World, compare, run};
