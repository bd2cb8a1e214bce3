//! Tells the customer of decisions, at least once: what was not taken is sent again, less and less
//! often, for an hour. The rows that wait survive a restart.

use std::sync::Arc;
use std::time::Duration;

use futures::future::select;
use futures::stream::{self, StreamExt};

use crate::adapters::gateway::wire::{self, Ask, Wire};
use crate::adapters::gateway::{Message, Messages, pause};
use crate::domain::{Invalid, Secret, Timestamp};
use crate::ports::webhook::{SIGNATURE, sign};
use crate::ports::{Clock, Signal, StoreError};
use crate::runtime::Stop;

/// What was not taken by then never will be.
const GIVE_UP_AFTER: Duration = Duration::from_hours(1);
/// The customer must answer within this.
const PATIENCE: Duration = Duration::from_secs(5);
/// Messages read at once.
const BATCH: u32 = 128;
/// Messages on their way at once: more would be an attack on a customer who just came back.
const AT_ONCE: usize = 16;
/// A look at the rows without having been woken, and the pause after trouble with them.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Who is told.
#[derive(Debug, Clone)]
pub struct Customer {
    url: String,
    secret: Secret,
}

impl Customer {
    /// Messages are posted to `url`, signed with `secret`.
    pub fn new(url: &str, secret: Secret) -> Result<Self, Invalid> {
        Ok(Self { url: wire::base(url)?, secret })
    }
}

/// Sends what waits.
pub(super) struct Messenger {
    messages: Messages,
    wire: Wire,
    secret: Secret,
    told: Signal,
    clock: Arc<dyn Clock>,
}

impl Messenger {
    /// Sends `messages`; `told` is given when there are new ones.
    pub(super) fn new(
        messages: Messages,
        customer: &Customer,
        told: Signal,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        let wire = Wire::new(&customer.url, None, PATIENCE, Arc::clone(&clock))?;
        Ok(Self { messages, wire, secret: customer.secret.clone(), told, clock })
    }

    /// Sends until told to stop. What is on its way then is sent again at the next start.
    pub(super) async fn run(&self, stop: &Stop) {
        let mut told = self.told.waiter();
        while !stop.is_said() {
            told.catch_up();
            let rest = match stop.unless_said(self.send_due()).await {
                None => return,
                Some(Ok(rest)) => rest,
                Some(Err(error)) => {
                    tracing::warn!(%error, "messages wait for the ledger");
                    LOOK_EVERY
                }
            };
            let wake = select(Box::pin(told.wait()), self.clock.sleep(rest));
            stop.unless_said(wake).await;
        }
    }

    /// Sends what is due; how long there is nothing more to send.
    async fn send_due(&self) -> Result<Duration, StoreError> {
        let due = self.messages.due(self.clock.now(), BATCH).await?;
        if due.is_empty() {
            let next = self.messages.next_at().await?;
            let rest = next.map_or(LOOK_EVERY, |at| at.since(self.clock.now()));
            return Ok(rest.min(LOOK_EVERY));
        }
        let sent = stream::iter(due).map(|message| async {
            let taken = self.send(&message).await;
            (message, taken)
        });
        let sent: Vec<(Message, bool)> = sent.buffer_unordered(AT_ONCE).collect().await;
        let (mut done, mut later) = (vec![], vec![]);
        for (message, taken) in sent {
            match self.again_at(&message) {
                Some(at) if !taken => later.push((message.id, at)),
                _ => done.push(message.id),
            }
        }
        self.messages.record(&done, &later).await?;
        Ok(Duration::ZERO)
    }

    /// When a message that was not taken is sent again, if ever.
    fn again_at(&self, message: &Message) -> Option<Timestamp> {
        let now = self.clock.now();
        if now.since(message.created_at) < GIVE_UP_AFTER {
            return Some(now + pause(message.attempts));
        }
        None
    }

    /// Sends a message once; whether it was taken.
    async fn send(&self, message: &Message) -> bool {
        // Signed anew every time: an old signature is not believed.
        let signature = sign(&self.secret, self.clock.now(), message.body.as_bytes());
        let ask = Ask {
            method: "POST",
            headers: vec![(SIGNATURE, signature)],
            body: Some(message.body.clone().into_bytes()),
            ..Ask::default()
        };
        let why = match self.wire.exchange(&ask).await {
            Ok(reply) if (200..300).contains(&reply.status) => return true,
            Ok(reply) => format!("answered {}", reply.status),
            Err(trouble) => trouble.to_string(),
        };
        let (id, attempts) = (&message.id, message.attempts + 1);
        if self.again_at(message).is_none() {
            tracing::error!(id, attempts, why, "message given up");
        } else {
            tracing::warn!(id, attempts, why, "message not taken");
        }
        false
    }
}
