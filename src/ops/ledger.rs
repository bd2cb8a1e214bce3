//! The ledger of dead letters: what was done about each, by which job, and what has become of it. What a
//! look finds out about letters that were sent back is written down at once: the inbox, by which it is
//! known that they took effect, forgets.

use std::collections::{BTreeMap, BTreeSet};

use super::OpsError;
use super::dlq::{AuditView, EntryState};
use super::letters::Letter;
use super::replay::{ReplayReport, ReplayRequest};
use crate::ports::Clock;
use crate::ports::store::{Batch, Read, Store, StoreError, query};
use crate::values;

/// Letters per reading and write: some milliseconds of the store's time.
const STEP: usize = 500;

const STATE: &str = "select entry_id, state from dlq_entries where entry_id = ?1";
const PROCESSED: &str =
    "select consumer, event_id from processed_events where consumer = ?1 and event_id = ?2";
const SETTLE: &str = "update dlq_entries set state = ?2, updated_at = ?3
 where entry_id = ?1 and state = 'replaying'";
const NOTE: &str = "insert into dlq_entries (entry_id, state, event_id, job_id, updated_at) values (?1, ?2, ?3, ?4, ?5)
 on conflict (entry_id) do update set state = excluded.state, job_id = excluded.job_id,
   updated_at = excluded.updated_at";
const NOTE_AUDIT: &str = "insert into dlq_audit (at, actor, action, entry_id, job_id, detail) values (?1, ?2, ?3, ?4, ?5, ?6)";
const AUDIT: &str =
    "select at, actor, action, detail from dlq_audit where entry_id = ?1 order by seq";
const BEGIN: &str =
    "insert into replay_jobs (job_id, state, plan, outcome, actor, created_at, updated_at)
 values (?1, 'running', ?2, ?3, ?4, ?5, ?5)";
const END: &str =
    "update replay_jobs set state = ?2, outcome = ?3, updated_at = ?4 where job_id = ?1";
const RUNNING: &str =
    "select job_id, outcome from replay_jobs where state = 'running' order by job_id";
const COUNTS: &str = "select state, count(*) from dlq_entries where job_id = ?1 group by state";

/// The ledger in a store.
pub(super) struct Ledger<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) clock: &'a dyn Clock,
    /// Whether no replay is under way: a job that is left running is one that broke off.
    pub(super) idle: bool,
}

impl Ledger<'_> {
    /// Sets what has become of each of `letters`, which are all there are.
    pub(super) async fn bring_up_to_date(&self, letters: &mut [Letter]) -> Result<(), OpsError> {
        for letters in letters.chunks_mut(STEP) {
            let ids = letters.iter().map(|letter| values![&letter.view.id]);
            let rows = self.store.read(&[Read::each(STATE, ids)]).await?.concat();
            let mut states = BTreeMap::new();
            for row in &rows {
                states.insert(row.text(0)?, EntryState::parse(row.text(1)?));
            }
            for letter in letters {
                let noted = states.get(letter.view.id.as_str()).copied().flatten();
                letter.view.state = noted.unwrap_or(EntryState::Open);
            }
        }
        let waiting: Vec<&Letter> =
            letters.iter().filter(|letter| letter.view.state == EntryState::Replaying).collect();
        let settled = self.settle(&waiting, letters).await?;
        for letter in letters {
            if let Some(state) = settled.get(&letter.view.id) {
                letter.view.state = *state;
            }
        }
        if self.idle {
            self.close_jobs().await?;
        }
        Ok(())
    }

    /// What has become of those of `waiting`, letters that were sent back, of which something was
    /// heard: they took effect, or one of `newer` tells that they failed again.
    pub(super) async fn settle(
        &self,
        waiting: &[&Letter],
        newer: &[Letter],
    ) -> Result<BTreeMap<String, EntryState>, OpsError> {
        let refailed: BTreeSet<&str> =
            newer.iter().filter_map(|letter| letter.replay_of.as_deref()).collect();
        let mut settled = BTreeMap::new();
        for waiting in waiting.chunks(STEP) {
            let events = waiting.iter().map(|l| values![&l.view.service, &l.view.event_id]);
            let rows = self.store.read(&[Read::each(PROCESSED, events)]).await?.concat();
            let mut processed = BTreeSet::new();
            for row in &rows {
                processed.insert((row.text(0)?, row.text(1)?));
            }
            let mut batch = Batch::default();
            for view in waiting.iter().map(|letter| &letter.view) {
                let state = if processed.contains(&(view.service.as_str(), view.event_id.as_str()))
                {
                    EntryState::Resolved
                } else if refailed.contains(view.id.as_str()) {
                    EntryState::Refailed
                } else {
                    continue;
                };
                batch.any(SETTLE, values![&view.id, state.as_str(), self.clock.now()]);
                settled.insert(view.id.clone(), state);
            }
            self.write_down(batch).await;
        }
        Ok(settled)
    }

    /// Writes down what was found out. Looking works on a full disk too: the next look finds it again.
    async fn write_down(&self, batch: Batch) {
        if let Err(error) = self.store.write(batch).await {
            tracing::warn!(%error, "what became of dead letters is not written down, next time");
        }
    }

    /// Closes jobs that broke off, once something was heard of all that they sent.
    async fn close_jobs(&self) -> Result<(), OpsError> {
        let mut batch = Batch::default();
        for row in query(self.store, RUNNING, vec![]).await? {
            let job = row.text(0)?;
            let mut report: ReplayReport = row.json(1).unwrap_or_default();
            for row in query(self.store, COUNTS, values![job]).await? {
                let count = row.int(1)? as u64;
                match EntryState::parse(row.text(0)?) {
                    Some(EntryState::Resolved) => report.resolved = count,
                    Some(EntryState::Refailed) => report.refailed = count,
                    Some(EntryState::Parked) => report.parked = count,
                    Some(EntryState::Replaying) => report.pending = count,
                    Some(EntryState::Open | EntryState::Discarded) | None => {}
                }
            }
            report.replayed = report.resolved + report.refailed + report.pending;
            if report.pending == 0 {
                self.closed(&mut batch, job, &report);
            }
        }
        self.write_down(batch).await;
        Ok(())
    }

    /// Writes down what is done about a letter, and its new state if it gets one.
    pub(super) async fn note(
        &self,
        letter: &Letter,
        job: &str,
        request: &ReplayRequest,
        action: &str,
        state: Option<EntryState>,
    ) -> Result<(), OpsError> {
        let (now, view) = (self.clock.now(), &letter.view);
        let mut batch = Batch::default();
        if let Some(state) = state {
            batch.one(NOTE, values![&view.id, state.as_str(), &view.event_id, job, now]);
        }
        let detail = format!("{} to {}", view.error_code, view.original_topic);
        batch.one(NOTE_AUDIT, values![now, &request.actor, action, &view.id, job, detail]);
        Ok(self.store.write(batch).await?)
    }

    /// What was done about the letter `id`.
    pub(super) async fn audit(&self, id: &str) -> Result<Vec<AuditView>, OpsError> {
        let rows = query(self.store, AUDIT, values![id]).await?;
        let step = |row: &crate::ports::store::Row| {
            Ok::<_, StoreError>(AuditView {
                at: row.time(0)?,
                actor: row.text(1)?.to_owned(),
                action: row.text(2)?.to_owned(),
                detail: row.text(3)?.to_owned(),
            })
        };
        Ok(rows.iter().map(step).collect::<Result<_, _>>()?)
    }

    /// Opens a job; `report` says what it is about to do.
    pub(super) async fn begin(
        &self,
        job: &str,
        request: &ReplayRequest,
        report: &ReplayReport,
    ) -> Result<(), OpsError> {
        let plan = serde_json::to_string(request).expect("a request is plain data");
        let outcome = serde_json::to_string(report).expect("a report is plain data");
        let mut batch = Batch::default();
        batch.one(BEGIN, values![job, plan, outcome, &request.actor, self.clock.now()]);
        Ok(self.store.write(batch).await?)
    }

    /// Closes a job; `report` says what it did.
    pub(super) async fn end(&self, job: &str, report: &ReplayReport) -> Result<(), OpsError> {
        let mut batch = Batch::default();
        self.closed(&mut batch, job, report);
        Ok(self.store.write(batch).await?)
    }

    fn closed(&self, batch: &mut Batch, job: &str, report: &ReplayReport) {
        let outcome = serde_json::to_string(report).expect("a report is plain data");
        let state = if report.is_partial() || report.is_broken_off() { "partial" } else { "done" };
        batch.one(END, values![job, state, outcome, self.clock.now()]);
    }
}
