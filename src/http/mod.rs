//! What all HTTP APIs share: problems, bodies, ids in paths, idempotency keys, meters, OpenAPI,
//! listeners. No service is named here.

pub mod answer;
pub mod body;
pub mod hang_up;
pub mod layers;
pub mod listen;
pub mod openapi;
pub mod params;
pub mod probes;
pub mod problem;
pub mod trace;

pub use body::{Body, OptionalBody};
pub use params::{IdempotencyKey, PathId, PathIds, Query};
pub use problem::Problem;
