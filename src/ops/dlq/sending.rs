//! Sending dead letters back: the original bytes, to the one group that failed them, never more often than
//! allowed. The intention is noted first: what was noted and not sent is sent again by who resumes the job,
//! and the inbox drops a second copy.

use super::EntryState;
use super::families::sent_back;
use super::index::Indexed;
use super::ledger::Step;
use super::letter::{self, Content};
use super::reading::records_of;
use super::replay::{JobState, OrderChange, ReplayReport, ReplayRequest};
use super::routing::{Target, Targets};
use super::running::Replayer;
use crate::domain::Timestamp;
use crate::ops::OpsError;
use crate::ports::bus::NewRecord;
use crate::ports::store::Batch;

/// Headers of a replay: set anew by each.
pub(super) const REPLAY_FAMILY: &str = "ecom-replay";
/// Orders that a report tells of.
const ORDERS_MAX: usize = 20;
/// Sends letters of one job.
pub(super) struct Sender<'a> {
    replayer: &'a Replayer<'a>,
    job: &'a str,
    request: &'a ReplayRequest,
    targets: Targets<'a>,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        replayer: &'a Replayer<'a>,
        job: &'a str,
        request: &'a ReplayRequest,
    ) -> Self {
        Self { replayer, job, request, targets: Targets::new(replayer.bus) }
    }

    /// Sends these letters, and notes what was done about each; those that were sent are under way now.
    pub(super) async fn send(
        &mut self,
        letters: &[Indexed],
        report: &mut ReplayReport,
    ) -> Result<(), OpsError> {
        self.targets.learn(letters, self.request).await?;
        let Replayer { bus, index, ledger, clock, .. } = self.replayer;
        let mut records = records_of(*bus, letters).await?;
        // Its own headers tell of a letter how often the event had been sent back before it; where nobody tells
        // what became of it, the letter itself may be sent again.
        let sent = ledger.sent(letters, self.job).await?;
        let times = |letter: &Indexed| {
            letter.view.replays + sent.get(&letter.view.id).copied().unwrap_or_default()
        };
        let (mut sound, mut damaged, mut parked, mut lost) = (vec![], vec![], vec![], vec![]);
        let mut out = vec![];
        let now = clock.now();
        for letter in letters {
            let content = records.remove(&letter.at).map(|record| letter::content(&record));
            match content.filter(|content| content.intact != Some(false)) {
                None => damaged.push(letter),
                Some(_) if times(letter) >= self.request.max_replays => parked.push(letter),
                Some(content) => match self.targets.of(letter, self.request) {
                    Some(target) => {
                        out.push(replayed((letter, times(letter)), content, target, self.job, now));
                        sound.push(letter);
                    }
                    None => lost.push(letter),
                },
            }
        }
        report.duplicates += ledger.processed(&sound).await?.len() as u64;
        self.look_at_orders(&sound, report).await?;
        report.damaged += damaged.len() as u64;
        report.unroutable += lost.len() as u64;
        report.parked += parked.len() as u64;
        report.replayed += sound.len() as u64;
        report.under_way = sound.iter().map(|letter| letter.view.id.clone()).collect();
        let mut batch = Batch::default();
        let actor = &self.request.actor;
        let mut note = |letters: &[&Indexed], action, state| {
            let step = Step { action, state, job: Some(self.job), actor, why: None };
            ledger.note(&mut batch, letters, &step);
        };
        note(&damaged, "damaged", None);
        note(&lost, "unroutable", None);
        note(&parked, "parked", Some(EntryState::Parked));
        note(&sound, "replaying", Some(EntryState::Replaying));
        ledger.stands(&mut batch, self.job, JobState::Running, report);
        ledger.write(batch).await?;
        // The index is told as well: looking what others wrote down would take a look at each of them again.
        let now_in = |letters: &[&Indexed], state: EntryState| {
            letters.iter().map(|letter| (letter.view.id.clone(), state)).collect::<Vec<_>>()
        };
        let mut states = now_in(&sound, EntryState::Replaying);
        states.extend(now_in(&parked, EntryState::Parked));
        index.set_states(states, None).await?;
        if !out.is_empty() {
            bus.publish(out).await?;
        }
        Ok(())
    }

    async fn look_at_orders(
        &self,
        letters: &[&Indexed],
        report: &mut ReplayReport,
    ) -> Result<(), OpsError> {
        for letter in letters {
            let Some(key) = letter.view.key.as_ref().map(crate::ops::blob::Blob::shown) else {
                continue;
            };
            let known = report.orders.iter().any(|order| order.order_id == key);
            if !key.starts_with("ORD-") || known || report.orders.len() >= ORDERS_MAX {
                continue;
            }
            let before = self.replayer.ledger.order_status(&key).await?;
            report.orders.push(OrderChange { order_id: key, before, after: None });
        }
        Ok(())
    }
}

/// The original record again, as a replay, after it was sent back so many times: same key, same bytes, same event id.
fn replayed(
    (letter, times): (&Indexed, u32),
    content: Content,
    target: Target<'_>,
    job: &str,
    now: Timestamp,
) -> NewRecord {
    let (view, record) = (&letter.view, content.record);
    let added = [
        ("ecom-replay-group", view.group.clone()),
        ("ecom-replay-count", (times + 1).to_string()),
        ("ecom-replay-job", job.to_owned()),
        ("ecom-replay-of", view.id.clone()),
        ("ecom-replayed-at", now.to_string()),
    ];
    NewRecord {
        topic: target.topic.to_owned(),
        partition: target.partition,
        key: record.key.clone(),
        headers: sent_back(&record, &[REPLAY_FAMILY], added),
        value: content.payload,
    }
}
