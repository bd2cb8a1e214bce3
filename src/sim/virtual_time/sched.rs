//! Points where others may run: between a handler's read and its write, and around every effect.
//! Decorators over the ports put them there and write down what passes.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;

use super::trace::Trace;
use crate::app::Ports;
use crate::ports::Dice;
use crate::ports::bus::{
    BusError, EventBus, GroupOffset, NewRecord, Position, Record, Subscription, TopicInfo,
};
use crate::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use crate::ports::inquiry::{Answer, Inquiry, InquiryError};
use crate::ports::mail::{Mail, MailError, Mailer};
use crate::ports::store::{Batch, Read, Row, Store, StoreError};

/// How often somebody else may run at a point.
const YIELD: f64 = 0.3;

/// Decides at every point whether somebody else may run.
#[derive(Clone)]
pub struct Scheduler {
    dice: Arc<Mutex<Dice>>,
}

impl Scheduler {
    /// Decides by `dice`.
    pub fn new(dice: Dice) -> Self {
        Self { dice: Arc::new(Mutex::new(dice)) }
    }

    /// Lets others run, perhaps.
    pub async fn point(&self) {
        let yields = self.dice.lock().unwrap_or_else(PoisonError::into_inner).chance(YIELD);
        if yields {
            YieldOnce(false).await;
        }
    }
}

struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Puts points and a trace around the ports that a seed should interleave.
pub(super) fn wrap(ports: Ports, scheduler: &Scheduler, trace: &Trace) -> Ports {
    let (s, t) = (scheduler, trace);
    Ports {
        store: Arc::new(Scheduled::new(ports.store, s, t)),
        bus: Arc::new(Scheduled::new(ports.bus, s, t)),
        gateway: Arc::new(Scheduled::new(ports.gateway, s, t)),
        mailer: Arc::new(Scheduled::new(ports.mailer, s, t)),
        ..ports
    }
}

struct Scheduled<P: ?Sized> {
    inner: Arc<P>,
    scheduler: Scheduler,
    trace: Trace,
}

impl<P: ?Sized> Scheduled<P> {
    fn new(inner: Arc<P>, scheduler: &Scheduler, trace: &Trace) -> Self {
        Self { inner, scheduler: scheduler.clone(), trace: trace.clone() }
    }
}

#[async_trait]
impl Store for Scheduled<dyn Store> {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.scheduler.point().await;
        let rows = self.inner.read(reads).await;
        self.scheduler.point().await;
        rows
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.scheduler.point().await;
        self.trace.note("write", || format!("{:?}", batch.writes));
        let written = self.inner.write(batch).await;
        self.trace.note("written", || format!("{written:?}"));
        self.scheduler.point().await;
        written
    }

    async fn durable(&self) -> Result<(), StoreError> {
        self.inner.durable().await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.inner.room().await
    }

    async fn inquire(&self, inquiry: &Inquiry) -> Result<Answer, InquiryError> {
        self.inner.inquire(inquiry).await
    }
}

#[async_trait]
impl EventBus for Scheduled<dyn EventBus> {
    async fn publish(&self, records: Vec<NewRecord>) -> Result<Vec<Position>, BusError> {
        self.scheduler.point().await;
        self.trace.note("publish", || format!("{records:?}"));
        let published = self.inner.publish(records).await;
        self.scheduler.point().await;
        published
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
    ) -> Result<Box<dyn Subscription>, BusError> {
        self.inner.subscribe(group, topics).await
    }

    async fn read(&self, from: &Position, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        self.inner.read(from, max).await
    }

    async fn offset_at(
        &self,
        topic: &str,
        partition: u32,
        time: crate::domain::Timestamp,
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
        retention: Option<std::time::Duration>,
    ) -> Result<bool, BusError> {
        self.inner.create_topic(topic, partitions, retention).await
    }

    async fn set_offsets(&self, group: &str, next: &[Position]) -> Result<(), BusError> {
        self.inner.set_offsets(group, next).await
    }
}

#[async_trait]
impl Gateway for Scheduled<dyn Gateway> {
    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError> {
        self.scheduler.point().await;
        let decision = self.inner.charge(charge).await;
        self.trace.note("charge", || format!("{charge:?} {decision:?}"));
        self.scheduler.point().await;
        decision
    }

    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        self.scheduler.point().await;
        let status = self.inner.status(key).await;
        self.trace.note("status", || format!("{key} {status:?}"));
        self.scheduler.point().await;
        status
    }

    async fn cancel(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        self.scheduler.point().await;
        let cancelled = self.inner.cancel(key).await;
        self.trace.note("cancel", || format!("{key} {cancelled:?}"));
        self.scheduler.point().await;
        cancelled
    }

    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError> {
        self.scheduler.point().await;
        let refunded = self.inner.refund(refund).await;
        self.trace.note("refund", || format!("{refund:?} {refunded:?}"));
        self.scheduler.point().await;
        refunded
    }
}

#[async_trait]
impl Mailer for Scheduled<dyn Mailer> {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.scheduler.point().await;
        let sent = self.inner.send(mail).await;
        self.trace.note("mail", || format!("{} {sent:?}", mail.message_id));
        self.scheduler.point().await;
        sent
    }
}
