//! Publishing an event once more to a reader that has read past it: byte for byte, under its own id, so that
//! whoever has handled it drops it.

use crate::domain::OrderId;
use crate::events::Topic;
use crate::ops::OpsError;
use crate::ops::trace::building::Said;
use crate::ops::trace::log::{Log, Window};
use crate::ports::EventBus;
use crate::ports::bus::NewRecord;
use crate::ports::store::{Store, query};
use crate::values;

// There is no index by id: this reads the outbox once, for a repair that is rare.
const KEPT: &str = "select record_key, event_data from outbox_events
 where event_type = ?1 and order_id = ?2 order by seq desc limit 1";

/// Publishes the event of `topic` about `order` once more; where it stands. None: nobody has it any more.
pub(in crate::ops) async fn publish_again(
    (bus, store): (&dyn EventBus, &dyn Store),
    (order, user): (&OrderId, &str),
    topic: Topic,
    window: Window,
) -> Result<Option<String>, OpsError> {
    let key = if topic == Topic::CartCheckoutInitiated { user } else { order.as_str() };
    let found = Log::of(bus).await?.on_topic(topic, key, window).await?;
    let about = |said: &Said| said.event_id.is_some() && said.order().as_ref() == Some(order);
    let kept = found
        .records
        .into_iter()
        .find(|record| record.header("ecom-replay-group").is_none() && about(&Said::by(record)));
    let record = match kept {
        Some(record) => NewRecord {
            topic: topic.as_str().to_owned(),
            partition: None,
            key: record.key.clone(),
            headers: record.headers.clone(),
            value: record.value.clone(),
        },
        None => match query(store, KEPT, values![topic.as_str(), order]).await?.first() {
            Some(row) => NewRecord {
                topic: topic.as_str().to_owned(),
                partition: None,
                key: Some(row.text(0)?.to_owned().into()),
                headers: vec![],
                value: Some(row.text(1)?.to_owned().into()),
            },
            None => return Ok(None),
        },
    };
    let at = bus.publish(vec![record]).await?.pop();
    Ok(at.map(|at| at.to_string()))
}
