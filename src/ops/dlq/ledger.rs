//! The ledger of dead letters: what was done about each, by which job, and what has become of it. What a
//! look finds out about letters that were sent back is written down at once: the inbox, by which it is
//! known that they took effect, forgets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::index::{Index, Indexed};
use super::replay::{JobState, JobView, ReplayReport, ReplayRequest};
use super::scan::{Ends, Progress};
use super::{AuditView, EntryState};
use crate::domain::Timestamp;
use crate::ops::OpsError;
use crate::ports::Clock;
use crate::ports::store::{Batch, Read, Row, Store, StoreError, query};
use crate::values;

/// Letters per reading and write: some milliseconds of the store's time.
const STEP: usize = 500;
/// Clocks of those who write the ledger may differ by less.
const SKEW: Duration = Duration::from_secs(10);

const CHANGED: &str = "select entry_id, state, updated_at from dlq_entries
 where (updated_at, entry_id) > (?1, ?2) order by updated_at, entry_id limit 500";
const PROCESSED: &str =
    "select consumer, event_id from processed_events where consumer = ?1 and event_id = ?2";
const SETTLE: &str = "update dlq_entries set state = ?2, updated_at = ?3
 where entry_id = ?1 and state = 'replaying'";
const NOTE: &str = "insert into dlq_entries (entry_id, state, event_id, job_id, updated_at) values (?1, ?2, ?3, ?4, ?5)
 on conflict (entry_id) do update set state = excluded.state, job_id = excluded.job_id,
   updated_at = excluded.updated_at";
const NOTE_AUDIT: &str = "insert into dlq_audit (at, actor, action, entry_id, job_id, detail) values (?1, ?2, ?3, ?4, ?5, ?6)";
const AUDIT: &str =
    "select entry_id, at, actor, action, detail from dlq_audit where entry_id = ?1 order by seq";
const SENT: &str = "select entry_id, count(distinct job_id) from dlq_audit
 where entry_id = ?1 and action = 'replaying' and job_id <> ?2 group by entry_id";
const COUNTS: &str = "select state, count(*) from dlq_entries where job_id = ?1 group by state";
const ORDER: &str = "select status from orders where order_id = ?1";
const BEGIN: &str =
    "insert into replay_jobs (job_id, state, plan, outcome, actor, created_at, updated_at)
 values (?1, 'running', ?2, ?3, ?4, ?5, ?5)";
const UPDATE: &str =
    "update replay_jobs set state = ?2, outcome = ?3, updated_at = ?4 where job_id = ?1";
const JOBS: &str =
    "select job_id, state, plan, outcome, actor, created_at, updated_at from replay_jobs
 order by created_at desc, job_id limit ?1";
const JOB: &str = "select job_id, state, plan, outcome, actor, created_at, updated_at from replay_jobs where job_id = ?1";

const FORGET_TOPIC: &str =
    "delete from dlq_entries where substr(entry_id, 1, length(cast(?1 as text))) = ?1";

/// The ledger in a store.
pub(in crate::ops) struct Ledger<'a> {
    pub(in crate::ops) store: &'a dyn Store,
    pub(in crate::ops) clock: &'a dyn Clock,
    /// Whether the store has the shop's inbox, by which it is known what took effect.
    pub(in crate::ops) inbox: bool,
}

/// Something that is done about letters.
pub(super) struct Step<'a> {
    pub(super) action: &'static str,
    /// The letters' new state, if they get one.
    pub(super) state: Option<EntryState>,
    pub(super) job: Option<&'a str>,
    pub(super) actor: &'a str,
    /// What is noted of it; none: why the letter died, and where it goes.
    pub(super) why: Option<&'a str>,
}

impl Ledger<'_> {
    /// Brings the index up to date, letters and states; the end of each partition that was read.
    pub(in crate::ops) async fn look(
        &self,
        index: &Index<'_>,
        progress: &Progress,
    ) -> Result<Ends, OpsError> {
        let ends = index.refresh(progress).await?;
        self.adopt(index).await?;
        self.settle(index).await?;
        Ok(ends)
    }

    /// Forgets what was done about the letters of a topic that is gone: one of its name has others in their
    /// places. The audit stays.
    pub(in crate::ops) async fn forget_topic(&self, topic: &str) -> Result<(), OpsError> {
        let mut batch = Batch::default();
        batch.any(FORGET_TOPIC, values![format!("{topic}/")]);
        Ok(self.store.write(batch).await?)
    }

    /// Finds out what has become of letters that were sent back. What others wrote down meanwhile is not
    /// looked at: who sent them has told the index.
    pub(super) async fn hear(
        &self,
        index: &Index<'_>,
        progress: &Progress,
    ) -> Result<(), OpsError> {
        index.refresh(progress).await?;
        self.settle(index).await
    }

    /// Takes over into the index what others wrote down.
    async fn adopt(&self, index: &Index<'_>) -> Result<(), OpsError> {
        let since = index.synced().await?.map_or(Timestamp::from_millis(0), |at| at - SKEW);
        let (mut at, mut id) = (since, String::new());
        loop {
            let rows = query(self.store, CHANGED, values![at, &id]).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            (at, id) = (last.time(2)?, last.text(0)?.to_owned());
            let state = |row: &Row| {
                let state = EntryState::parse(row.text(1)?).unwrap_or(EntryState::Open);
                Ok::<_, StoreError>((row.text(0)?.to_owned(), state))
            };
            let states = rows.iter().map(state).collect::<Result<Vec<_>, _>>()?;
            index.set_states(states, Some(at)).await?;
        }
    }

    /// Notes of which letters that were sent back something was heard: they took effect, or a newer
    /// letter tells that they failed again.
    async fn settle(&self, index: &Index<'_>) -> Result<(), OpsError> {
        if self.inbox {
            self.settle_processed(index).await?;
        }
        loop {
            let refailed = index.refailed().await?;
            if refailed.is_empty() {
                return Ok(());
            }
            self.settled(index, refailed, EntryState::Refailed).await?;
        }
    }

    async fn settle_processed(&self, index: &Index<'_>) -> Result<(), OpsError> {
        let mut last = None;
        loop {
            let waiting = index.replaying(last.as_ref()).await?;
            let Some(newest) = waiting.last() else { return Ok(()) };
            last = Some(newest.at.clone());
            let all: Vec<&Indexed> = waiting.iter().collect();
            let processed = self.processed(&all).await?;
            self.settled(index, processed, EntryState::Resolved).await?;
        }
    }

    async fn settled(
        &self,
        index: &Index<'_>,
        ids: impl IntoIterator<Item = String>,
        state: EntryState,
    ) -> Result<(), OpsError> {
        let (ids, now): (Vec<String>, _) = (ids.into_iter().collect(), self.clock.now());
        let mut batch = Batch::default();
        for id in &ids {
            batch.any(SETTLE, values![id, state.as_str(), now]);
        }
        // Looking works on a full disk too: the next look finds it again.
        if let Err(error) = self.write(batch).await {
            tracing::warn!(%error, "what became of dead letters is not written down, next time");
        }
        index.set_states(ids.into_iter().map(|id| (id, state)), None).await
    }

    /// Ids of those letters whose events took effect in the service that had given them up.
    pub(super) async fn processed(
        &self,
        letters: &[&Indexed],
    ) -> Result<BTreeSet<String>, OpsError> {
        let mut found = BTreeSet::new();
        if !self.inbox {
            return Ok(found);
        }
        for letters in letters.chunks(STEP) {
            let events = letters.iter().map(|l| values![&l.view.service, &l.view.event_id]);
            let rows = self.store.read(&[Read::each(PROCESSED, events)]).await?.concat();
            let mut processed = BTreeSet::new();
            for row in &rows {
                processed.insert((row.text(0)?, row.text(1)?));
            }
            let took = letters.iter().map(|letter| &letter.view).filter(|view| {
                processed.contains(&(view.service.as_str(), view.event_id.as_str()))
            });
            found.extend(took.map(|view| view.id.clone()));
        }
        Ok(found)
    }

    /// Whether `service` has processed the event `event_id`.
    pub(super) async fn has_processed(
        &self,
        service: &str,
        event_id: &str,
    ) -> Result<bool, OpsError> {
        Ok(!query(self.store, PROCESSED, values![service, event_id]).await?.is_empty())
    }

    /// Puts what is done about `letters` into `batch`.
    pub(super) fn note(&self, batch: &mut Batch, letters: &[&Indexed], step: &Step<'_>) {
        let now = self.clock.now();
        for view in letters.iter().map(|letter| &letter.view) {
            if let Some(state) = step.state {
                batch.one(NOTE, values![&view.id, state.as_str(), &view.event_id, step.job, now]);
            }
            let route = || format!("{} to {}", view.error_code, view.original_topic);
            let detail = step.why.map_or_else(route, str::to_owned);
            batch
                .one(NOTE_AUDIT, values![now, step.actor, step.action, &view.id, step.job, detail]);
        }
    }

    /// Writes `batch` down.
    pub(in crate::ops) async fn write(&self, batch: Batch) -> Result<(), OpsError> {
        if batch.is_empty() { Ok(()) } else { Ok(self.store.write(batch).await?) }
    }

    /// What was done about each of `letters`, by its id.
    pub(in crate::ops) async fn audits(
        &self,
        letters: &[Indexed],
    ) -> Result<BTreeMap<String, Vec<AuditView>>, OpsError> {
        let ids = letters.iter().map(|letter| values![&letter.view.id]);
        let rows = self.store.read(&[Read::each(AUDIT, ids)]).await?.concat();
        let mut audits: BTreeMap<String, Vec<AuditView>> = BTreeMap::new();
        for row in &rows {
            audits.entry(row.text(0)?.to_owned()).or_default().push(AuditView {
                at: row.time(1)?,
                actor: row.text(2)?.to_owned(),
                action: row.text(3)?.to_owned(),
                detail: row.text(4)?.to_owned(),
            });
        }
        Ok(audits)
    }

    /// How many jobs other than this one have sent a letter back, by its id; none where a letter that failed
    /// again is told from what took effect: it comes anew.
    pub(super) async fn sent(
        &self,
        letters: &[Indexed],
        job: &str,
    ) -> Result<BTreeMap<String, u32>, OpsError> {
        if self.inbox {
            return Ok(BTreeMap::new());
        }
        let ids = letters.iter().map(|letter| values![&letter.view.id, job]);
        let rows = self.store.read(&[Read::each(SENT, ids)]).await?.concat();
        let count = |row: &Row| Ok((row.text(0)?.to_owned(), row.int(1)? as u32));
        Ok(rows.iter().map(count).collect::<Result<_, StoreError>>()?)
    }

    /// The letters that a job has touched, by their states.
    pub(super) async fn counts(&self, job: &str) -> Result<BTreeMap<EntryState, u64>, OpsError> {
        let mut counts = BTreeMap::new();
        for row in query(self.store, COUNTS, values![job]).await? {
            let state = EntryState::parse(row.text(0)?).unwrap_or(EntryState::Open);
            counts.insert(state, row.int(1)? as u64);
        }
        Ok(counts)
    }

    /// An order's status, if there is such an order.
    pub(super) async fn order_status(&self, order: &str) -> Result<Option<String>, OpsError> {
        if !self.inbox {
            return Ok(None);
        }
        let rows = query(self.store, ORDER, values![order]).await?;
        Ok(rows.first().map(|row| row.text(0).map(str::to_owned)).transpose()?)
    }

    /// Gives letters another state, here and in the index.
    pub(in crate::ops) async fn mark(
        &self,
        index: &Index<'_>,
        letters: &[Indexed],
        state: EntryState,
        (action, actor, why): (&'static str, &str, &str),
    ) -> Result<(), OpsError> {
        let step = Step { action, state: Some(state), job: None, actor, why: Some(why) };
        for letters in letters.chunks(STEP) {
            let mut batch = Batch::default();
            self.note(&mut batch, &letters.iter().collect::<Vec<_>>(), &step);
            self.write(batch).await?;
        }
        index.set_states(letters.iter().map(|letter| (letter.view.id.clone(), state)), None).await
    }

    /// Opens a job; `report` says what it is about to do.
    pub(in crate::ops) async fn begin(
        &self,
        job: &str,
        request: &ReplayRequest,
        report: &ReplayReport,
    ) -> Result<(), OpsError> {
        let mut batch = Batch::default();
        let (plan, outcome) = (json(request), json(report));
        batch.one(BEGIN, values![job, plan, outcome, &request.actor, self.clock.now()]);
        self.write(batch).await
    }

    /// Puts how a job stands into `batch`.
    pub(in crate::ops) fn stands(
        &self,
        batch: &mut Batch,
        job: &str,
        state: JobState,
        report: &ReplayReport,
    ) {
        batch.one(UPDATE, values![job, state.as_str(), json(report), self.clock.now()]);
    }

    /// The newest jobs.
    pub(in crate::ops) async fn jobs(&self, limit: usize) -> Result<Vec<JobView>, OpsError> {
        let rows = query(self.store, JOBS, values![limit as i64]).await?;
        Ok(rows.iter().map(job_view).collect::<Result<_, _>>()?)
    }

    /// The job of this name.
    pub(in crate::ops) async fn job(&self, id: &str) -> Result<JobView, OpsError> {
        let rows = query(self.store, JOB, values![id]).await?;
        let text = || format!("there is no job {id}; see `ecom dlq jobs list`");
        let row = rows.first().ok_or_else(|| OpsError::NotFound(text()))?;
        Ok(job_view(row)?)
    }
}

fn json(what: &impl serde::Serialize) -> String {
    serde_json::to_string(what).expect("plain data")
}

fn job_view(row: &Row) -> Result<JobView, StoreError> {
    Ok(JobView {
        job: row.text(0)?.to_owned(),
        state: JobState::parse(row.text(1)?).unwrap_or(JobState::Failed),
        request: row.json(2)?,
        report: row.json(3)?,
        actor: row.text(4)?.to_owned(),
        created_at: row.time(5)?,
        updated_at: row.time(6)?,
    })
}
