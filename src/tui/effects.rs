//! Doing what was decided: the only part of the console that talks to a shop or cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::msg::{Effect, Follow, Load, Loaded, Msg, Run, Tailed};
use super::state::popup::PLACES;
use crate::domain::Timestamp;
use crate::ops::admin::topics::{TopicRemoval, TopicRemovalRequest};
use crate::ops::dlq::DlqFilter;
use crate::ops::groups::{LagQuery, ResetRequest, ResetView};
use crate::ops::orders::{OrderQuery, OrderRequest};
use crate::ops::tail::{TailFrom, TailQuery};
use crate::ops::topics::TailStart;
use crate::ops::trace::TraceQuery;
use crate::ops::{Ops, OpsError};
use crate::ports::Clock;
use crate::ports::spawn::Spawn;

/// How long groups are looked at before they are judged.
const WATCH: Duration = Duration::from_secs(5);
/// How many times longer than a look at everything took the pause before the next one is.
const PULSE_RESTS: u64 = 3;
/// That pause is never longer, in milliseconds.
const PULSE_REST_MAX: u64 = 30_000;
/// Pause between two looks at a topic that is followed.
const TAIL_EVERY: Duration = Duration::from_millis(200);
/// Pause between two looks at a job.
const JOB_EVERY: Duration = Duration::from_millis(250);
/// Records that are shown of one look, the newest.
const NEWEST: u64 = 100;
/// Who is shown what is older than this cannot follow any more.
const LATE: Duration = Duration::from_secs(5);
/// Records with which following begins.
const BEGIN: u64 = 100;
/// Orders that are shown, the newest.
const ORDERS: usize = 200;

/// How the run of the lab is, asked at any time.
pub type RunSource = Arc<dyn Fn() -> Option<Run> + Send + Sync>;

/// Who does it.
#[derive(Clone)]
pub struct Doer {
    /// The shop or cluster; none: there is only a run to be watched.
    pub ops: Option<Arc<dyn Ops>>,
    /// A run of the lab in this process.
    pub run: Option<RunSource>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where it is done.
    pub spawn: Arc<dyn Spawn>,
    /// Who acts.
    pub actor: String,
    /// Whether looks may take their time.
    pub patient: bool,
    /// How long the last look at everything took, in milliseconds.
    pulse_took: Arc<AtomicU64>,
}

impl Doer {
    /// Of `ops`, or of a run only; looks take their time.
    pub fn new(
        (ops, run): (Option<Arc<dyn Ops>>, Option<RunSource>),
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
        actor: String,
    ) -> Self {
        Self { ops, run, clock, spawn, actor, patient: true, pulse_took: Arc::default() }
    }

    /// Does it beside everything else; what comes of it goes to `told`.
    pub fn begin(&self, effect: Effect, told: Sender<Msg>) {
        let doer = self.clone();
        self.spawn.spawn(Box::pin(async move {
            if doer.patient {
                doer.clock.sleep(pause(&effect)).await;
            }
            let done = match effect {
                Effect::Load(Load::Pulse) => doer.pulse().await,
                effect => doer.done(effect).await,
            };
            if let Some(msg) = done {
                // Nobody listens any more: the console is closed.
                let _ = told.send(msg).await;
            }
        }));
    }

    /// A look at everything. Of a cluster with many groups it is work, and rests in proportion.
    async fn pulse(&self) -> Option<Msg> {
        if self.patient {
            let took = self.pulse_took.load(Ordering::Relaxed);
            let rest = took.saturating_mul(PULSE_RESTS).min(PULSE_REST_MAX);
            self.clock.sleep(Duration::from_millis(rest)).await;
        }
        let began = self.clock.elapsed();
        let done = self.done(Effect::Load(Load::Pulse)).await;
        // What was waited for in vain is asked again at once.
        let told = matches!(done, Some(Msg::Loaded(_)));
        let took = if told { self.clock.elapsed().saturating_sub(began) } else { Duration::ZERO };
        self.pulse_took.store(took.as_millis() as u64, Ordering::Relaxed);
        done
    }

    /// Does it; what came of it.
    pub async fn done(&self, effect: Effect) -> Option<Msg> {
        match effect {
            Effect::Load(load) => Some(self.loaded(load).await),
            Effect::Write(path, text) => Some(match std::fs::write(&path, text) {
                Ok(()) => Msg::Done(format!("written to {}", path.display())),
                Err(e) => Msg::NotDone(format!("cannot write {}: {e}", path.display())),
            }),
            Effect::Copy(_) | Effect::Draft(_) | Effect::Quit => None,
            changing => Some(match self.changed(changing).await {
                Ok(msg) => msg,
                Err(e) => Msg::NotDone(e.to_string()),
            }),
        }
    }

    /// The shop or cluster, if there is one.
    pub(super) fn ops(&self) -> Result<&dyn Ops, OpsError> {
        let none = || OpsError::Unavailable("there is no shop here to look into".into());
        self.ops.as_deref().ok_or_else(none)
    }

    async fn changed(&self, effect: Effect) -> Result<Msg, OpsError> {
        let ops = self.ops()?;
        Ok(match effect {
            Effect::Replay(request) => match ops.replay(&request).await?.job {
                Some(job) => Msg::Loaded(Box::new(Loaded::Opened(ops.job(&job).await?))),
                None => Msg::Done("nothing was left to send back".into()),
            },
            Effect::Cancel(job) => {
                ops.cancel(&job).await?;
                Msg::Done(format!("{job} ends after its current step"))
            }
            Effect::Resume(job) => Msg::Loaded(Box::new(Loaded::Opened(ops.resume(&job).await?))),
            Effect::Discard(ids, why) => {
                let count = ops.discard(&ids, &self.actor, &why).await?;
                Msg::Done(format!("{count} given up"))
            }
            Effect::CancelOrder(order, reason) => {
                let report = ops.cancel_order(&self.about(order, reason)).await?;
                Msg::Loaded(Box::new(Loaded::Order(report)))
            }
            Effect::ResumeOrder(order) => {
                let report = ops.resume_order(&self.about(order, String::new())).await?;
                Msg::Loaded(Box::new(Loaded::Order(report)))
            }
            Effect::Reset(group, place) => {
                let changes = self.reset(group.clone(), place, true).await?;
                let moved = changes.iter().filter(|change| change.before != change.after).count();
                Msg::Done(format!("{group} reads on elsewhere in {moved} partitions"))
            }
            Effect::DeleteTopic(topic) => {
                let removal = self.removal(topic, true).await?;
                Msg::Done(format!("{} is deleted", removal.topic))
            }
            Effect::Restore(ids) => {
                let count = ops.restore(&ids, &self.actor).await?;
                Msg::Done(format!("{count} open again"))
            }
            other => Msg::NotDone(format!("{other:?} changes nothing")),
        })
    }

    fn about(&self, order: String, reason: String) -> OrderRequest {
        OrderRequest { order, actor: self.actor.clone(), reason }
    }

    async fn reset(
        &self,
        group: String,
        place: usize,
        execute: bool,
    ) -> Result<Vec<ResetView>, OpsError> {
        let to = PLACES[place].1.clone();
        self.ops()?.reset_offsets(&ResetRequest { group, topic: None, to, execute }).await
    }

    async fn removal(&self, topic: String, execute: bool) -> Result<TopicRemoval, OpsError> {
        let request = TopicRemovalRequest { topic, force: false, execute };
        self.ops()?.delete_topic(&request).await
    }

    async fn loaded(&self, load: Load) -> Msg {
        match self.load(&load).await {
            Ok(loaded) => Msg::Loaded(Box::new(loaded)),
            Err(e) => Msg::Failed(Box::new(load), e.to_string()),
        }
    }

    async fn load(&self, load: &Load) -> Result<Loaded, OpsError> {
        Ok(match load {
            Load::Pulse => Loaded::Pulse(self.ops()?.pulse().await?),
            Load::Lag => {
                let watch = if self.patient { WATCH } else { Duration::ZERO };
                let query = LagQuery { group: None, watch_ms: watch.as_millis() as u64 };
                Loaded::Lag(self.ops()?.lag(&query).await?)
            }
            Load::Tail(follow) => {
                Loaded::Tail(followed(self.ops()?, follow, self.clock.now()).await?)
            }
            Load::Summary(by) => {
                Loaded::Summary(*by, self.ops()?.dlq_summary(&DlqFilter::default(), *by).await?)
            }
            Load::Letters(filter) => {
                Loaded::Letters(filter.clone(), self.ops()?.dead_letters(filter).await?)
            }
            Load::Letter(id) => Loaded::Letter(self.ops()?.dead_letter(id).await?),
            Load::Jobs => Loaded::Jobs(self.ops()?.jobs().await?),
            Load::Job(job) => Loaded::Job(self.ops()?.job(job).await?),
            Load::OpenJob(job) => Loaded::Opened(self.ops()?.job(job).await?),
            Load::Plan(request) => {
                Loaded::Plan(request.clone(), self.ops()?.replay(request).await?)
            }
            Load::Reset(group, place) => {
                let changes = self.reset(group.clone(), *place, false).await?;
                Loaded::Reset(group.clone(), *place, changes)
            }
            Load::Removal(topic) => Loaded::Removal(self.removal(topic.clone(), false).await?),
            Load::Orders => {
                let query = OrderQuery { limit: Some(ORDERS), ..OrderQuery::default() };
                Loaded::Orders(self.ops()?.orders(&query).await?)
            }
            Load::Trace(id) => {
                Loaded::Trace(self.ops()?.trace(&TraceQuery { id: id.clone() }).await?)
            }
            Load::Logs(after) => Loaded::Logs(self.ops()?.logs(*after).await?),
            Load::Run => Loaded::Run(self.run.as_ref().and_then(|run| run())),
        })
    }
}

/// How long it may wait before it is done.
pub(super) const fn pause(effect: &Effect) -> Duration {
    match effect {
        Effect::Load(Load::Tail(Follow::On(_) | Follow::Skip(_))) => TAIL_EVERY,
        Effect::Load(Load::Job(_)) => JOB_EVERY,
        _ => Duration::ZERO,
    }
}

async fn followed(ops: &dyn Ops, follow: &Follow, now: Timestamp) -> Result<Tailed, OpsError> {
    let last = |topic: &str, count| TailFrom {
        topic: topic.to_owned(),
        partition: None,
        start: TailStart::Last(count),
    };
    let (query, skipped) = match follow {
        Follow::Begin(topic) => (ops.tail_start(&last(topic, BEGIN)).await?, 0),
        Follow::On(query) => (query.clone(), 0),
        Follow::Skip(query) => {
            let newest = ops.tail_start(&last(&query.topic, NEWEST)).await?;
            let ahead = forward(query, &newest);
            let skipped = between(query, &ahead);
            (ahead, skipped)
        }
    };
    let page = ops.tail(&TailQuery { newest: Some(NEWEST as u32), ..query }).await?;
    let shown = page.records.last().map(|record| record.timestamp);
    let late = !page.end && shown.is_some_and(|shown| shown < now - LATE);
    let next = if late { Follow::Skip(page.next) } else { Follow::On(page.next) };
    Ok(Tailed { records: page.records, skipped: skipped + page.skipped, next })
}

/// The further of both in each partition.
fn forward(from: &TailQuery, to: &TailQuery) -> TailQuery {
    let mut ahead = to.clone();
    for (partition, offset) in &mut ahead.next {
        *offset = (*offset).max(from.next.get(partition).copied().unwrap_or(0));
    }
    ahead
}

/// Records between two places.
fn between(from: &TailQuery, to: &TailQuery) -> u64 {
    let gap = |(partition, offset): (&u32, &u64)| {
        offset.saturating_sub(from.next.get(partition).copied().unwrap_or(*offset))
    };
    to.next.iter().map(gap).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next: &[(u32, u64)]) -> TailQuery {
        TailQuery {
            topic: "t".into(),
            next: next.iter().copied().collect(),
            ..TailQuery::default()
        }
    }

    #[test]
    fn what_is_left_out_is_counted_and_nothing_is_shown_twice() {
        let (from, newest) = (at(&[(0, 10), (1, 50)]), at(&[(0, 90), (1, 40), (2, 7)]));
        let ahead = forward(&from, &newest);
        assert_eq!(ahead, at(&[(0, 90), (1, 50), (2, 7)]));
        assert_eq!(between(&from, &ahead), 80);
    }
}
