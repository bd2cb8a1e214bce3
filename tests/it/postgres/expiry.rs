//! Rows that expire, and are revived at that very moment.

use std::sync::Arc;
use std::time::Duration;

use ecom::adapters::postgres::Schema;
use ecom::ports::Store;
use ecom::ports::store::{query, values};
use ecom::runtime::Stop;
use ecom::runtime::janitor::Janitor;
use ecom::runtime::members::Members;

use super::{PATIENCE, Place, one};
use crate::contract::env;
use crate::harness::stack::Server;

const REMEMBER: &str = "insert into idempotency_keys
 (service, scope, key, fingerprint, status, body, created_at, expires_at)
 values ('cart', 'ann', 'k', 'f', 202, '{}', ?1, ?1)";

#[test]
fn an_answer_that_is_given_anew_while_the_old_one_is_tidied_away_is_kept() {
    if Server::Postgres.address_or_skip().is_none() {
        return;
    }
    env::live(|env| async move {
        let place = Place::with(env.clone(), PATIENCE, Schema::SHOP).await;
        let (mut shopper, mut looker) = (place.other().await, place.other().await);
        let long_ago = env.clock.now() - Duration::from_hours(48);
        place.store.write(one(REMEMBER, values![long_ago])).await.unwrap();
        let renew = "update idempotency_keys set expires_at = now() + interval '1 day'";
        shopper.run(&format!("begin; {renew}")).await;
        let janitor = Janitor {
            store: Arc::clone(&place.store) as Arc<dyn Store>,
            clock: Arc::clone(&env.clock),
            members: Members::alone(),
            every: Duration::from_millis(1),
            outbox_retention: Duration::from_hours(1),
            inbox_retention: Duration::from_hours(1),
        };
        let stop = Stop::default();
        let tidying = {
            let stop = stop.clone();
            env.spawn(async move { janitor.run(&stop).await })
        };
        place.waiting(&mut looker, 1, &[]).await;
        stop.say();
        shopper.run("commit").await;
        assert_eq!(env.patiently(tidying).await, Ok(Ok(())));
        let left = query(place.store.as_ref(), "select count(*) from idempotency_keys", vec![]);
        assert_eq!(left.await.unwrap()[0].int(0), Ok(1));
    });
}
