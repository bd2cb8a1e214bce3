//! The notification service: one e-mail (and a text where a number is known) per order outcome, and
//! alerts to the shop's own people.

pub mod api;
pub mod model;
mod store;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Desk, Effects, Failure, Handover, Incoming, Mutant, Service, UnitOfWork};
use crate::domain::{EventId, OrderId, Timestamp};
use crate::events::{Event, Topic};
use crate::ports::StoreError;
use crate::ports::mail::{MailError, Mailbox, Mailer, Sms};
use model::{Channel, Message, Status};
use store::Attempt;

/// The notification service.
pub struct Notifications {
    desk: Desk,
    mailer: Arc<dyn Mailer>,
    sms: Arc<dyn Sms>,
    mailbox: Option<Arc<dyn Mailbox>>,
    handover: Handover<Message>,
}

impl Notifications {
    /// The service at `desk`. `mailbox` shows what arrived, where that can be looked at.
    pub fn new(
        desk: Desk,
        mailer: Arc<dyn Mailer>,
        sms: Arc<dyn Sms>,
        mailbox: Option<Arc<dyn Mailbox>>,
    ) -> Self {
        Self { desk, mailer, sms, mailbox, handover: Handover::default() }
    }
}

#[async_trait]
impl Service for Notifications {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn topics(&self) -> &'static [Topic] {
        &[Topic::NotificationSend, Topic::InventoryLow, Topic::InventoryDepleted]
    }

    async fn handle(&self, unit: &mut UnitOfWork, events: &[Incoming]) -> Result<(), Failure> {
        let admin = &self.desk.settings.admin_email;
        let mut due = vec![];
        for incoming in events {
            let id = incoming.header.event_id;
            let messages = match &incoming.event {
                Event::NotificationSend(e) => model::about_order(e, id),
                Event::InventoryLow(e) => {
                    let subject = format!("Low stock: {}", e.product_id);
                    let body = format!(
                        "{} units of {} are left (threshold {}).\n",
                        e.current_stock, e.product_id, e.threshold
                    );
                    vec![model::alert(id, admin, subject, body)]
                }
                Event::InventoryDepleted(e) => {
                    let subject = format!("Out of stock: {}", e.product_id);
                    let body = format!("No units of {} are left.\n", e.product_id);
                    vec![model::alert(id, admin, subject, body)]
                }
                _ => vec![],
            };
            due.extend(messages);
        }
        // An outcome is told once, whatever event tells of it.
        let mut told = store::known(&self.desk, &due).await?;
        due.retain(|message| told.insert(message.message_id.clone()));
        for message in &mut due {
            message.next_attempt_at = unit.now;
            store::insert(unit, message);
        }
        self.handover.after(unit, due);
        Ok(())
    }
}

#[async_trait]
impl Effects for Notifications {
    type Effect = Message;
    type Outcome = Result<(), MailError>;

    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn handover(&self) -> &Handover<Message> {
        &self.handover
    }

    fn step(message: &Message) -> i64 {
        message.attempts
    }

    fn origin(message: &Message) -> Option<(OrderId, Option<EventId>)> {
        Some((message.order_id.clone()?, message.cause))
    }

    fn due_at(message: &Message) -> Timestamp {
        message.next_attempt_at
    }

    fn key(message: &Message) -> String {
        message.message_id.clone()
    }

    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, StoreError> {
        store::due(&self.desk, now, limit).await
    }

    async fn adopt(&self, now: Timestamp, due: Timestamp) -> Result<(), StoreError> {
        store::adopt(&self.desk, now, due).await
    }

    async fn perform(&self, message: &Message) -> Result<(), MailError> {
        let unsendable = || MailError::Refused(format!("{} is no address", message.recipient));
        let mut message = message.clone();
        if self.desk.settings.mutation.is(Mutant::UnstableMessageId) {
            let now = self.desk.clock.now();
            message.message_id = format!("{}-{}", self.desk.event_id(now), message.message_id);
        }
        match message.channel {
            Channel::Email => self.mailer.send(&message.as_mail().ok_or_else(unsendable)?).await,
            Channel::Sms => self.sms.text(&message.as_text().ok_or_else(unsendable)?).await,
        }
    }

    async fn record(
        &self,
        unit: &mut UnitOfWork,
        done: &[(Message, Result<(), MailError>)],
    ) -> Result<(), Failure> {
        let mut again = vec![];
        for (message, outcome) in done {
            match outcome {
                Ok(()) => store::record(unit, message, &Attempt::ended(Status::Sent, None)),
                Err(error @ (MailError::Later(reason) | MailError::Unanswered(reason))) => {
                    let next = message.failed_once_more(unit.now);
                    let attempt = Attempt {
                        unanswered: matches!(error, MailError::Unanswered(_)),
                        next_attempt_at: Some(next.next_attempt_at),
                        ..Attempt::ended(Status::Pending, Some(reason))
                    };
                    store::record(unit, message, &attempt);
                    again.push(next);
                }
                Err(MailError::Refused(reason)) => {
                    tracing::warn!(
                        message_id = message.message_id,
                        reason,
                        "message refused for good"
                    );
                    store::record(unit, message, &Attempt::ended(Status::Failed, Some(reason)));
                }
            }
        }
        self.handover.after(unit, again);
        Ok(())
    }
}
