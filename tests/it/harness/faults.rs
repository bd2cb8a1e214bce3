//! Ports that misbehave as a test needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ecom::app::Ports;
use ecom::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use ecom::ports::mail::{Mail, MailError, Mailer};
use ecom::ports::store::{Batch, Read, Row, Store, StoreError};
use ecom::ports::Clock;

/// A provider in front of the real one.
pub(crate) struct TestGateway {
    pub(crate) inner: Arc<dyn Gateway>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Every answer to a charge takes this long.
    pub(crate) charge_takes: Duration,
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
        self.clock.sleep(self.charge_takes).await;
        let decision = self.inner.charge(charge).await;
        if self.lose_answers.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(GatewayError::Unknown);
        }
        decision
    }

    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        self.inner.status(key).await
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

/// A store that fails some writes, as told.
pub(crate) struct FailingStore {
    pub(crate) inner: Arc<dyn Store>,
    /// Writes that fail before they do anything.
    pub(crate) fail: AtomicI64,
    /// How they fail.
    pub(crate) error: StoreError,
    /// Only batches with this in a statement.
    pub(crate) only: &'static str,
}

#[async_trait]
impl Store for FailingStore {
    async fn read(&self, reads: &[Read]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.inner.read(reads).await
    }

    async fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let meant = batch.writes.iter().any(|write| write.sql.contains(self.only));
        if meant && self.fail.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(self.error.clone());
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
