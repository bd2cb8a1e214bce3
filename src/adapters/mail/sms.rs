//! Text messages over a webhook: each is a JSON document, posted to a service that sends it on. The
//! service recognises a repeat by its `Idempotency-Key`, which is the message's id.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::header::{HeaderName, HeaderValue};
use serde::Serialize;

use super::address::BadAddress;
use super::http::{Answer, Site};
use super::turns::Turns;
use crate::domain::{OrderId, Phone};
use crate::ports::clock::Clock;
use crate::ports::mail::{MailError, Sms, Text};

/// Requests under way at most.
const REQUESTS_MAX: usize = 32;
/// No message takes longer, its wait for a free connection included.
const PATIENCE: Duration = Duration::from_secs(30);
/// As much of an answer's body as a reason repeats, in characters.
const REASON_MAX: usize = 200;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Posts text messages to a URL.
pub struct WebhookSms {
    site: Site,
    turns: Turns,
    clock: Arc<dyn Clock>,
}

/// The document that is posted.
#[derive(Serialize)]
struct Document<'a> {
    message_id: &'a str,
    order_id: Option<&'a OrderId>,
    to: &'a Phone,
    body: &'a str,
}

impl WebhookSms {
    /// Text messages go to `url`, which begins with `http://`.
    pub fn new(url: &str, clock: Arc<dyn Clock>) -> Result<Self, BadAddress> {
        let site = Site::new(url, Arc::clone(&clock), PATIENCE)?;
        let turns = Turns::new(REQUESTS_MAX, PATIENCE, Arc::clone(&clock));
        Ok(Self { site, turns, clock })
    }

    /// The same, but no message takes longer than `patience`.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        let turns = Turns::new(REQUESTS_MAX, patience, Arc::clone(&self.clock));
        Self { turns, ..self }
    }
}

#[async_trait]
impl Sms for WebhookSms {
    async fn text(&self, text: &Text) -> Result<(), MailError> {
        let Text { message_id, order_id, to, body } = text;
        let key = HeaderValue::from_str(message_id)
            .map_err(|_| MailError::Refused(format!("{message_id:?} cannot name a message")))?;
        let document = Document { message_id, order_id: order_id.as_ref(), to, body };
        let json =
            serde_json::to_string(&document).map_err(|e| MailError::Refused(e.to_string()))?;
        let answer = self.turns.take(self.site.post(json, (IDEMPOTENCY_KEY, key))).await?;
        outcome(&answer)
    }
}

/// What an answer says of the message. A redirect is not followed: nobody said that the shop's
/// messages may go elsewhere.
fn outcome(answer: &Answer) -> Result<(), MailError> {
    let reason = || {
        let said = String::from_utf8_lossy(&answer.body);
        let said = said.trim().replace(|c: char| c.is_control(), " ");
        let said: String = said.chars().take(REASON_MAX).collect();
        format!("{} {said}", answer.status).trim_end().to_owned()
    };
    match answer.status {
        200..300 => Ok(()),
        408 | 425 | 429 => Err(MailError::Later(reason())),
        400..500 => Err(MailError::Refused(reason())),
        _ => Err(MailError::Later(reason())),
    }
}
