//! A payment provider that is reached over HTTP. Every answer is one of four: decided, refused for
//! good, nothing done, or unknown; what may have been carried out is never taken for undone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::wire::{
    Ask, ChargeAnswer, ChargeBody, DEADLINE, IDEMPOTENCY_KEY, NO_SUCH_CHARGE, RefundAnswer,
    RefundBody, Reply, Trouble, Wire, segment,
};
use crate::domain::{Invalid, Money, Secret};
use crate::ports::gateway::{Charge, Decision, Gateway, GatewayError, Refund};
use crate::ports::{Clock, GatewayDials};

/// A provider at a URL.
pub struct HttpGateway {
    wire: Wire,
}

impl HttpGateway {
    /// The provider at `url`, `http://HOST:PORT`. An answer is waited for at most `request_timeout`.
    pub fn new(
        url: &str,
        secret: Option<&Secret>,
        request_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Invalid> {
        Ok(Self { wire: Wire::new(url, secret, request_timeout, clock)? })
    }

    /// Whether anybody answers there, whatever they say.
    pub async fn answers(&self) -> Result<(), GatewayError> {
        let ask = Ask { method: "GET", path: "/", ..Ask::default() };
        match self.wire.exchange(&ask).await {
            Ok(_) => Ok(()),
            Err(Trouble::NotSent(text) | Trouble::Lost(text)) => {
                Err(GatewayError::Unavailable(format!("{}: {text}", self.wire.base())))
            }
        }
    }

    /// How the provider behaves, if it is a simulated one; with `set`, from now on.
    pub async fn dials(&self, set: Option<&GatewayDials>) -> Result<GatewayDials, GatewayError> {
        let method = if set.is_some() { "PUT" } else { "GET" };
        let body = set.map(json);
        self.read(&Ask { method, path: "/v1/dials", body, ..Ask::default() }).await
    }

    /// What comes back where nothing is at stake: an error tells all that is known, and is not logged.
    pub(super) async fn read<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, GatewayError> {
        self.done(ask).await.map_err(|fault| match fault.error {
            GatewayError::Unknown => {
                GatewayError::Unavailable(format!("{}: {}", self.wire.base(), fault.text))
            }
            told => told,
        })
    }

    /// What came back, whatever its status.
    async fn reply(&self, ask: &Ask<'_>) -> Result<Reply, Fault> {
        self.wire.exchange(ask).await.map_err(|trouble| {
            let text = trouble.to_string();
            let error = match trouble {
                Trouble::NotSent(_) => {
                    GatewayError::Unavailable(format!("{}: {text}", self.wire.base()))
                }
                Trouble::Lost(_) => GatewayError::Unknown,
            };
            Fault { error, text, is_settings: false }
        })
    }

    /// What came back with 200.
    async fn done<T: DeserializeOwned>(&self, ask: &Ask<'_>) -> Result<T, Fault> {
        let reply = self.reply(ask).await?;
        if reply.status == 200 { body(&reply) } else { Err(self.refusal(&reply)) }
    }

    /// What an answer means that is no 200. Only words of the provider itself are a refusal; whatever
    /// our own settings or a load may be to blame for is not.
    fn refusal(&self, reply: &Reply) -> Fault {
        let (server, status, detail) = (self.wire.base(), reply.status, problem(reply, "detail"));
        let said = detail.as_deref().unwrap_or("no reason that could be read");
        let advice = match status {
            401 | 403 => "it does not take gateway.secret",
            404 | 405 => "it has no such path; is gateway.url right?",
            408 => "the request came too late; do both clocks tell the same time?",
            429 => "it takes no more for now",
            400..=499 if detail.is_some() => {
                let error = GatewayError::Refused(said.to_owned());
                return Fault { error, text: format!("{status}: {said}"), is_settings: false };
            }
            _ => return Fault::unknown(format!("{status}: {said}")),
        };
        let text = format!("{advice} ({status}: {said})");
        let error = GatewayError::Unavailable(format!("{server}: {text}"));
        Fault { error, text, is_settings: status != 429 }
    }

    /// Says in the log why a charge or refund was not done, or may not have been.
    fn loudly(&self, ask: &Ask<'_>, fault: Fault) -> GatewayError {
        let (server, path, text) = (self.wire.base(), ask.path, fault.text);
        if fault.is_settings {
            tracing::error!(server, path, text, "payment provider cannot be used");
        } else {
            tracing::warn!(server, path, text, "payment provider");
        }
        fault.error
    }

    /// When nobody waits for an answer any more to what is asked now.
    fn deadline(&self) -> String {
        (self.wire.clock().now() + self.wire.patience()).millis().to_string()
    }
}

#[async_trait]
impl Gateway for HttpGateway {
    async fn charge(&self, charge: &Charge) -> Result<Decision, GatewayError> {
        let body = ChargeBody {
            order_id: charge.order_id.clone(),
            user_id: charge.user_id.clone(),
            amount: charge.amount.minor(),
            currency: Money::CURRENCY.to_owned(),
        };
        let ask = Ask {
            method: "POST",
            path: "/v1/charges",
            headers: vec![(IDEMPOTENCY_KEY, charge.key.clone()), (DEADLINE, self.deadline())],
            body: Some(json(&body)),
        };
        let decided = self.done(&ask).await.and_then(|answer| about(&charge.key, &answer));
        decided.map_err(|fault| self.loudly(&ask, fault))
    }

    async fn status(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        let path = format!("/v1/charges/{}", segment(key));
        let ask = Ask { method: "GET", path: &path, ..Ask::default() };
        let decided = match self.reply(&ask).await {
            Ok(reply) if reply.status == 200 => {
                body(&reply).and_then(|answer| about(key, &answer)).map(Some)
            }
            // Any other 404 is a wrong path, and says nothing about the charge.
            Ok(reply) if reply.status == 404 && is_no_such_charge(&reply) => Ok(None),
            Ok(reply) => Err(self.refusal(&reply)),
            Err(fault) => Err(fault),
        };
        decided.map_err(|fault| self.loudly(&ask, fault))
    }

    async fn cancel(&self, key: &str) -> Result<Option<Decision>, GatewayError> {
        let path = format!("/v1/charges/{}/cancel", segment(key));
        let ask = Ask { method: "POST", path: &path, ..Ask::default() };
        let known = self.done(&ask).await.and_then(|answer: ChargeAnswer| {
            if answer.is_cancelled(key) { Ok(None) } else { about(key, &answer).map(Some) }
        });
        known.map_err(|fault| self.loudly(&ask, fault))
    }

    async fn refund(&self, refund: &Refund) -> Result<(), GatewayError> {
        let (charge_key, amount) = (refund.charge_key.clone(), refund.amount.minor());
        let ask = Ask {
            method: "POST",
            path: "/v1/refunds",
            headers: vec![(IDEMPOTENCY_KEY, refund.key.clone())],
            body: Some(json(&RefundBody { charge_key, amount })),
        };
        let done = self.done(&ask).await.and_then(|answer: RefundAnswer| {
            let other = || Fault::unknown(format!("answered about {}", answer.refund_key));
            if answer.refund_key == refund.key { Ok(()) } else { Err(other()) }
        });
        done.map_err(|fault| self.loudly(&ask, fault))
    }
}

/// Why there is no good answer.
struct Fault {
    error: GatewayError,
    /// What happened.
    text: String,
    /// Nothing will work until somebody changes the settings.
    is_settings: bool,
}

impl Fault {
    fn unknown(text: String) -> Self {
        Self { error: GatewayError::Unknown, text, is_settings: false }
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("a body is plain data")
}

fn body<T: DeserializeOwned>(reply: &Reply) -> Result<T, Fault> {
    let wrong = |e| Fault::unknown(format!("unreadable answer: {e}"));
    serde_json::from_slice(&reply.body).map_err(wrong)
}

/// The decision in an answer, if it is about the charge with `key`.
fn about(key: &str, answer: &ChargeAnswer) -> Result<Decision, Fault> {
    let other = || Fault::unknown(format!("no decision about {key}: {answer:?}"));
    answer.decision(key).ok_or_else(other)
}

fn is_no_such_charge(reply: &Reply) -> bool {
    problem(reply, "type").is_some_and(|kind| kind.ends_with(NO_SUCH_CHARGE))
}

fn problem(reply: &Reply, part: &str) -> Option<String> {
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).ok()?;
    problem[part].as_str().map(str::to_owned)
}
