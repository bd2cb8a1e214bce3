//! The payment provider as a server in this process, and what is asked of it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ecom::adapters::sqlite::Journal;
use ecom::app::embedded::Environment;
use ecom::app::provider::{Customer, Provider};
use ecom::domain::{Money, Secret};
use ecom::http::listen;
use ecom::ports::gateway::{Charge, Refund};
use ecom::ports::{Randomness, SharedDials};
use futures::channel::oneshot;

use crate::contract::env::Env;

/// A provider that answers at a URL.
pub(crate) struct Server {
    pub(crate) url: String,
    provider: Arc<Provider>,
    ended: oneshot::Receiver<()>,
}

impl Server {
    pub(crate) fn start(
        env: &Env,
        journal: Arc<Journal>,
        dials: SharedDials,
        secret: Option<&Secret>,
        customer: Option<&Customer>,
    ) -> Self {
        let (clock, spawn) = (Arc::clone(&env.clock), Arc::clone(&env.spawn));
        let randomness = Randomness::seeded(1);
        let environment = Environment { clock, randomness, spawn };
        let provider = Arc::new(Provider::on(journal, dials, customer, environment).unwrap());
        let bound = listen::bind_now(IpAddr::V4(Ipv4Addr::LOCALHOST), 0).unwrap();
        let url = format!("http://{}", bound.address);
        let (end, ended) = oneshot::channel();
        let (serving, secret) = (Arc::clone(&provider), secret.cloned());
        env.spawn.spawn(Box::pin(async move {
            serving.serve(bound, secret).await;
            drop(serving);
            let _ = end.send(());
        }));
        Self { url, provider, ended }
    }

    /// Ends it in good order; nothing holds its ledger afterwards.
    pub(crate) async fn stop(self) {
        self.provider.stop();
        drop(self.provider);
        self.ended.await.unwrap();
    }
}

pub(crate) fn charge(key: &str, amount: i64) -> Charge {
    Charge {
        key: key.to_owned(),
        order_id: key.parse().unwrap(),
        user_id: "ann".parse().unwrap(),
        amount: Money::from_minor(amount),
    }
}

pub(crate) fn refund(charge_key: &str, amount: i64) -> Refund {
    Refund {
        key: format!("{charge_key}:refund"),
        charge_key: charge_key.to_owned(),
        amount: Money::from_minor(amount),
    }
}
