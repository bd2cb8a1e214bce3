//! A process that stands still at the n-th point where something takes effect or has just done so.
//! What it had not done by then, a `kill -9` there would have left undone.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecom::app::Ports;
use ecom::domain::Timestamp;
use ecom::ports::bus::{
    BusError, EventBus, GroupOffset, NewRecord, Position, Record, Subscription, TopicInfo,
};
use ecom::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use ecom::ports::mail::{Mail, MailError, Mailer};
use ecom::ports::signal::Signal;
use ecom::ports::store::{Batch, Read, Row, Store, StoreError};

/// Counts points, and stands still at one of them.
#[derive(Clone)]
pub(crate) struct Halt {
    shared: Arc<(AtomicU64, u64, Signal)>,
}

impl Halt {
    /// Stands still at point `at`, counted from 1.
    pub(crate) fn at(at: u64) -> Self {
        Self { shared: Arc::new((AtomicU64::new(0), at, Signal::default())) }
    }

    /// Points passed or reached.
    pub(crate) fn points(&self) -> u64 {
        self.shared.0.load(Ordering::SeqCst)
    }

    /// Waits until the process stands still.
    pub(crate) async fn reached(&self) {
        self.shared.2.until(|| self.points() >= self.shared.1).await;
    }

    async fn point(&self) {
        let reached = self.shared.0.fetch_add(1, Ordering::SeqCst) + 1;
        if reached >= self.shared.1 {
            self.shared.2.give();
            pending::<()>().await;
        }
    }

    /// Puts points before and after everything that takes effect.
    pub(crate) fn wrap(&self, ports: Ports) -> Ports {
        let halt = || self.clone();
        Ports {
            store: Arc::new(Halting { inner: Arc::clone(&ports.store), halt: halt() }),
            bus: Arc::new(Halting { inner: Arc::clone(&ports.bus), halt: halt() }),
            gateway: Arc::new(Halting { inner: Arc::clone(&ports.gateway), halt: halt() }),
            mailer: Arc::new(Halting { inner: Arc::clone(&ports.mailer), halt: halt() }),
            ..ports
        }
    }
}

struct Halting<P> {
    halt: Halt,
    inner: P,
}

impl<P> Halting<P> {
    async fn around<T>(&self, effect: impl Future<Output = T>) -> T {
        self.halt.point().await;
        let result = effect.await;
        self.halt.point().await;
        result
    }
}

#[async_trait]
impl Store for Halting<Arc<dyn Store>> {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.inner.read(reads).await
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.around(self.inner.write(batch)).await
    }

    async fn durable(&self) -> Result<(), StoreError> {
        self.inner.durable().await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.inner.room().await
    }
}

#[async_trait]
impl EventBus for Halting<Arc<dyn EventBus>> {
    async fn publish(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, BusError> {
        self.around(self.inner.publish(records)).await
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
    ) -> Result<Box<dyn Subscription>, BusError> {
        let inner = self.inner.subscribe(group, topics).await?;
        Ok(Box::new(HaltingSubscription { inner, halt: self.halt.clone() }))
    }

    async fn read(&self, from: &Position, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        self.inner.read(from, max).await
    }

    async fn offset_at(
        &self,
        topic: &str,
        partition: u32,
        time: Timestamp,
    ) -> Result<u64, BusError> {
        self.inner.offset_at(topic, partition, time).await
    }

    async fn topics(&self) -> Result<Vec<TopicInfo>, BusError> {
        self.inner.topics().await
    }

    async fn groups(&self) -> Result<Vec<GroupOffset>, BusError> {
        self.inner.groups().await
    }

    async fn create_topic(
        &self,
        topic: &str,
        partitions: u32,
        retention: Option<Duration>,
    ) -> Result<bool, BusError> {
        self.inner.create_topic(topic, partitions, retention).await
    }

    async fn set_offsets(&self, group: &str, next: &[Position]) -> Result<(), BusError> {
        self.inner.set_offsets(group, next).await
    }
}

struct HaltingSubscription {
    inner: Box<dyn Subscription>,
    halt: Halt,
}

#[async_trait]
impl Subscription for HaltingSubscription {
    async fn poll(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        self.inner.poll(max).await
    }

    async fn commit(&mut self, next: &[Position]) -> Result<(), BusError> {
        self.halt.point().await;
        let committed = self.inner.commit(next).await;
        self.halt.point().await;
        committed
    }
}

#[async_trait]
impl Gateway for Halting<Arc<dyn Gateway>> {
    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError> {
        self.around(self.inner.charge(charge)).await
    }

    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        self.inner.status(key).await
    }

    async fn cancel(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        self.around(self.inner.cancel(key)).await
    }

    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError> {
        self.around(self.inner.refund(refund)).await
    }
}

#[async_trait]
impl Mailer for Halting<Arc<dyn Mailer>> {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.around(self.inner.send(mail)).await
    }
}
