//! Ports that misbehave as a test needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecom::app::Ports;
use ecom::domain::Timestamp;
use ecom::ports::Clock;
use ecom::ports::bus::{
    BusError, EventBus, GroupOffset, NewRecord, Position, Record, Subscription, TopicInfo,
};
use ecom::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use ecom::ports::mail::{Mail, MailError, Mailer};
use ecom::ports::store::{Batch, Read, Row, Store, StoreError, Value, Write};

/// A provider in front of the real one.
pub(crate) struct TestGateway {
    pub(crate) inner: Arc<dyn Gateway>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The answer to a slow charge takes this long.
    pub(crate) charge_takes: Duration,
    /// Charges that are slow.
    pub(crate) slow: AtomicI64,
    /// Charges whose answer is lost although they were carried out.
    pub(crate) lose_answers: AtomicI64,
    /// Refunds that are refused before they work.
    pub(crate) refuse_refunds: AtomicI64,
    /// Refunds are refused for good.
    pub(crate) never_refund: bool,
    /// Charges that reached the provider.
    pub(crate) charges: AtomicU64,
}

impl TestGateway {
    pub(crate) fn new(ports: &Ports) -> Self {
        Self {
            inner: Arc::clone(&ports.gateway),
            clock: Arc::clone(&ports.clock),
            charge_takes: Duration::ZERO,
            slow: AtomicI64::new(i64::MAX),
            lose_answers: AtomicI64::new(0),
            refuse_refunds: AtomicI64::new(0),
            never_refund: false,
            charges: AtomicU64::new(0),
        }
    }
}

#[async_trait]
impl Gateway for TestGateway {
    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError> {
        self.charges.fetch_add(1, Ordering::SeqCst);
        let decision = self.inner.charge(charge).await;
        if self.slow.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.clock.sleep(self.charge_takes).await;
        }
        if self.lose_answers.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(GatewayError::Unknown);
        }
        decision
    }

    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        self.inner.status(key).await
    }

    async fn cancel(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        self.inner.cancel(key).await
    }

    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError> {
        if self.never_refund {
            return Err(GatewayError::Refused("account closed".into()));
        }
        if self.refuse_refunds.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(GatewayError::Unavailable("come back later".into()));
        }
        self.inner.refund(refund).await
    }
}

/// A store that takes its time for every write.
pub(crate) struct SlowStore {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) write_takes: Duration,
}

#[async_trait]
impl Store for SlowStore {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.inner.read(reads).await
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.clock.sleep(self.write_takes).await;
        self.inner.write(batch).await
    }

    async fn durable(&self) -> Result<(), StoreError> {
        self.inner.durable().await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.inner.room().await
    }
}

/// How a faulty port fails.
pub(crate) enum Fault {
    Store(StoreError),
    Panic,
}

impl Fault {
    fn happen(&self) -> Result<(), StoreError> {
        match self {
            Self::Store(error) => Err(error.clone()),
            Self::Panic => panic!("a bug in a handler"),
        }
    }
}

/// A store that fails some readings and writes, as told.
pub(crate) struct FailingStore {
    pub(crate) inner: Arc<dyn Store>,
    /// How many still fail, before they do anything.
    pub(crate) fail: Arc<AtomicI64>,
    /// How they fail.
    pub(crate) fault: Fault,
    /// Only those with this in a statement, or in a value that is written.
    pub(crate) only: &'static str,
}

impl FailingStore {
    fn is_meant(&self, batch: &Batch) -> bool {
        let about = |value: &Value| matches!(value, Value::Text(text) if text.contains(self.only));
        let concerns =
            |write: &Write| write.sql.contains(self.only) || write.rows.iter().flatten().any(about);
        batch.writes.iter().any(concerns)
    }
}

#[async_trait]
impl Store for FailingStore {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        let meant = reads.iter().any(|read| read.sql.contains(self.only));
        if meant && self.fail.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.fault.happen()?;
        }
        self.inner.read(reads).await
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if self.is_meant(&batch) && self.fail.fetch_sub(1, Ordering::SeqCst) > 0 {
            self.fault.happen()?;
        }
        self.inner.write(batch).await
    }

    async fn durable(&self) -> Result<(), StoreError> {
        self.inner.durable().await
    }

    async fn room(&self) -> Result<Option<u64>, StoreError> {
        self.inner.room().await
    }
}

/// A log that refuses records of one topic for a while, breaks off readings, and counts.
pub(crate) struct FailingBus {
    pub(crate) inner: Arc<dyn EventBus>,
    /// Appends to [`Self::topic`] that are refused.
    pub(crate) refuse: Arc<AtomicI64>,
    pub(crate) topic: &'static str,
    /// Polls that break off, of any group.
    pub(crate) break_polls: Arc<AtomicI64>,
    /// Records that were read without a group.
    pub(crate) handed_out: Arc<AtomicU64>,
    /// Appends to [`Self::topic`] whose first record loses its last byte.
    pub(crate) mangle: Arc<AtomicI64>,
}

#[async_trait]
impl EventBus for FailingBus {
    async fn publish(&self, mut records: Vec<NewRecord>) -> Result<Vec<Position>, BusError> {
        if let Some(meant) = records.iter_mut().find(|record| record.topic == self.topic) {
            if self.refuse.fetch_sub(1, Ordering::SeqCst) > 0 {
                return Err(BusError::Unavailable("test".into()));
            }
            if self.mangle.fetch_sub(1, Ordering::SeqCst) > 0 {
                let value = meant.value.clone().unwrap_or_default();
                meant.value = Some(value.slice(..value.len() - 1));
            }
        }
        self.inner.publish(records).await
    }

    async fn subscribe(
        &self,
        group: &str,
        topics: &[&str],
    ) -> Result<Box<dyn Subscription>, BusError> {
        let inner = self.inner.subscribe(group, topics).await?;
        Ok(Box::new(FailingSubscription { inner, break_polls: Arc::clone(&self.break_polls) }))
    }

    async fn read(&self, from: &Position, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        let records = self.inner.read(from, max).await?;
        self.handed_out.fetch_add(records.len() as u64, Ordering::SeqCst);
        Ok(records)
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

struct FailingSubscription {
    inner: Box<dyn Subscription>,
    break_polls: Arc<AtomicI64>,
}

#[async_trait]
impl Subscription for FailingSubscription {
    async fn poll(&mut self, max: usize) -> Result<Vec<Arc<Record>>, BusError> {
        let polled = self.inner.poll(max).await?;
        if self.break_polls.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(BusError::Broken("connection reset by test".into()));
        }
        Ok(polled)
    }

    async fn commit(&mut self, next: &[Position]) -> Result<(), BusError> {
        self.inner.commit(next).await
    }
}

/// A mail server that takes some messages only later.
pub(crate) struct BusyMailer {
    pub(crate) inner: Arc<dyn Mailer>,
    pub(crate) refuse: AtomicI64,
}

#[async_trait]
impl Mailer for BusyMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        if self.refuse.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(MailError::Later("421 busy".into()));
        }
        self.inner.send(mail).await
    }
}

/// A mail server that takes messages, and breaks off before it says so the first times.
pub(crate) struct SilentMailer {
    pub(crate) inner: Arc<dyn Mailer>,
    pub(crate) silent: AtomicI64,
    /// What its client makes of that.
    pub(crate) taken_for: fn(String) -> MailError,
}

#[async_trait]
impl Mailer for SilentMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.inner.send(mail).await?;
        if self.silent.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err((self.taken_for)("connection reset".into()));
        }
        Ok(())
    }
}

/// A mail server that is down at first, and knows nobody at one domain.
pub(crate) struct StrictMailer {
    pub(crate) inner: Arc<dyn Mailer>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Down until so much time has passed.
    pub(crate) down: Duration,
    pub(crate) unknown: &'static str,
    pub(crate) asked: Arc<AtomicI64>,
}

#[async_trait]
impl Mailer for StrictMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.clock.elapsed() < self.down {
            return Err(MailError::Later("connection refused".into()));
        }
        if mail.to.as_str().ends_with(self.unknown) {
            return Err(MailError::Refused(
                "recipient: permanent error (550): no such user".into(),
            ));
        }
        self.inner.send(mail).await
    }
}
