//! How events are delivered: retried, given up, redelivered, and not lost when anything dies.

mod crashes;
mod letters;
mod members;
mod ordered;
mod orders;
mod poison;
mod redelivery;
mod repair;
mod replay;
mod retry;
mod runtime;
mod traced;
mod truncation;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use ecom::app::Ports;
use ecom::ports::{Record, StoreError};
use serde_json::Value as Json;

use crate::harness::faults::{FailingStore, Fault};

/// A store in which writes about `only` fail with `fault`, while the returned counter is above zero.
fn failing_store(
    fault: Fault,
    only: &'static str,
    times: &Arc<AtomicI64>,
) -> impl FnOnce(Ports) -> Ports + use<> {
    let fail = Arc::clone(times);
    move |ports| {
        let inner = Arc::clone(&ports.store);
        Ports { store: Arc::new(FailingStore { inner, fail, fault, only }), ..ports }
    }
}

/// What makes a handler fail without the world being to blame.
fn broken() -> Fault {
    Fault::Store(StoreError::Broken("disk speaks in tongues".into()))
}

/// The body of a dead letter.
fn body(letter: &Record) -> Json {
    serde_json::from_slice(letter.value.as_deref().unwrap()).unwrap()
}
