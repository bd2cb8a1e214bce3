//! How work gets done and is not lost: consuming with inbox, retry and dead letters; publishing from
//! the outbox; effects; housekeeping; and who watches over all of it. No adapter is named here.

pub mod effects;
pub mod health;
pub mod janitor;
pub mod lag;
pub mod members;
pub mod meters;
pub mod outbox;
pub mod pressure;
pub mod servers;
pub mod stop;
pub mod supervisor;
pub mod sweeper;
pub mod trace;
pub mod worker;

pub use health::Health;
pub use meters::Meters;
pub use stop::Stop;
pub use supervisor::Supervisor;
pub use trace::Tracer;
