//! Ports to the world outside, with a span for everything that is asked of it.

use std::sync::Arc;

use async_trait::async_trait;

use super::Tracer;
use crate::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use crate::ports::mail::{Mail, MailError, Mailer, Sms, Text};
use crate::ports::spans::Said;

const PROVIDER: &str = "payment-provider";
const MAIL: &str = "mail";

/// A port that tells of what it is asked.
pub struct Traced<P: ?Sized> {
    inner: Arc<P>,
    tracer: Tracer,
}

impl<P: ?Sized> Traced<P> {
    /// `inner`, telling `tracer`.
    pub fn new(inner: Arc<P>, tracer: Tracer) -> Arc<Self> {
        Arc::new(Self { inner, tracer })
    }
}

#[async_trait]
impl Gateway for Traced<dyn Gateway> {
    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError> {
        self.tracer.asking(("charge", PROVIDER), self.inner.charge(charge), |d| decided(*d)).await
    }

    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        let told = |known: &Option<Decision>| known.map_or("never asked".into(), decided);
        self.tracer.asking(("ask about charge", PROVIDER), self.inner.status(key), told).await
    }

    async fn cancel(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        let told = |known: &Option<Decision>| known.map_or("cancelled".into(), decided);
        self.tracer.asking(("cancel charge", PROVIDER), self.inner.cancel(key), told).await
    }

    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError> {
        let work = self.inner.refund(refund);
        self.tracer.asking(("refund", PROVIDER), work, |()| "refunded".into()).await
    }
}

fn decided(decision: Decision) -> Said {
    match decision {
        Decision::Captured => "captured".into(),
        Decision::Declined(reason) => reason.to_string().into(),
    }
}

#[async_trait]
impl Mailer for Traced<dyn Mailer> {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        self.tracer.asking(("send e-mail", MAIL), self.inner.send(mail), |()| "sent".into()).await
    }
}

#[async_trait]
impl Sms for Traced<dyn Sms> {
    async fn text(&self, text: &Text) -> Result<(), MailError> {
        self.tracer
            .asking(("send text message", MAIL), self.inner.text(text), |()| "sent".into())
            .await
    }
}
