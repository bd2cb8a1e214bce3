//! Time on a server passes by itself. A case that waits for hours has them taken from the keys' lives
//! instead, so that it neither takes long nor depends on how busy the machine is.

use std::sync::Arc;
use std::time::Duration;

use ecom::domain::Timestamp;
use ecom::ports::Clock;
use futures::future::BoxFuture;

use super::Place;

/// One that sleeps through shorter spans like others.
pub(crate) const TICK: Duration = Duration::from_hours(1);

/// A clock by which the keys of a place age.
pub(crate) struct SkippingClock {
    pub(super) place: Place,
    pub(super) real: Arc<dyn Clock>,
}

impl Clock for SkippingClock {
    fn now(&self) -> Timestamp {
        self.real.now()
    }

    fn elapsed(&self) -> Duration {
        self.real.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if duration < TICK {
            return self.real.sleep(duration);
        }
        let place = self.place.clone();
        Box::pin(async move {
            let keys: Vec<String> = place.ask(&["KEYS", &format!("{}*", place.prefix)]).await;
            for key in keys {
                let left: i64 = place.ask(&["PTTL", &key]).await;
                let left = (left - duration.as_millis() as i64).to_string();
                // A life that is over ends at once.
                place.ask::<()>(&["PEXPIRE", &key, &left]).await;
            }
        })
    }
}
