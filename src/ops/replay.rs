//! Sending dead letters back to where they came from: the original bytes, to the one group that failed
//! them, at a bounded rate, never more often than allowed, and with a note of each step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OpsError;
use super::dlq::{self, DlqFilter, EntryState, Letter};
use crate::domain::Timestamp;
use crate::ports::bus::{EventBus, NewRecord, RecordHeader};
use crate::ports::store::{Batch, Store};
use crate::ports::{Clock, Dice};
use crate::values;

/// Headers that tell of failures: a replay starts without them.
const ERROR_FAMILIES: [&str; 3] = ["ecom-dlq-", "__dlq.errors.", "kafka_dlt-"];
/// Headers of a replay: set anew by each.
const REPLAY_FAMILY: &str = "ecom-replay";
/// Pause between two looks at what became of a replay.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Which dead letters, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayRequest {
    /// These; without any, all that match the filter and are open.
    pub ids: Vec<String>,
    /// Which, where no ids are given.
    pub filter: DlqFilter,
    /// Say what would be done, and do nothing.
    pub dry_run: bool,
    /// Records per second at most; 0 is as fast as it goes.
    pub rate: u32,
    /// A letter that was sent back this often is parked instead.
    pub max_replays: u32,
    /// How long to wait for what becomes of them, in ms.
    pub wait_ms: u64,
    /// Who asks.
    pub actor: String,
}

impl Default for ReplayRequest {
    fn default() -> Self {
        Self {
            ids: vec![],
            filter: DlqFilter::default(),
            dry_run: false,
            rate: 100,
            max_replays: 2,
            wait_ms: 10_000,
            actor: "unknown".into(),
        }
    }
}

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayReport {
    /// Its name; none for a dry run.
    pub job: Option<String>,
    /// Letters that were asked for and could be sent back.
    pub selected: u64,
    /// By topic they go back to.
    pub by_topic: BTreeMap<String, u64>,
    /// By error code.
    pub by_error: BTreeMap<String, u64>,
    /// Sent back.
    pub replayed: u64,
    /// Sent back too often before, and parked.
    pub parked: u64,
    /// Not sent back: their bytes are not those that failed.
    pub damaged: u64,
    /// Asked for, but resolved, discarded or parked already.
    pub skipped: u64,
    /// Sent back, and they took effect.
    pub resolved: u64,
    /// Sent back, and they failed again.
    pub refailed: u64,
    /// Sent back; nothing was heard of them in the time given.
    pub pending: u64,
}

impl ReplayReport {
    /// Whether something was left that needs a person.
    pub const fn is_partial(&self) -> bool {
        self.parked > 0 || self.damaged > 0 || self.refailed > 0
    }
}

/// What a replay works on.
pub(super) struct Replayer<'a> {
    pub(super) bus: &'a dyn EventBus,
    pub(super) store: &'a dyn Store,
    pub(super) clock: &'a dyn Clock,
    /// Whether somebody consumes now, so that waiting makes sense.
    pub(super) running: bool,
}

impl Replayer<'_> {
    pub(super) async fn run(
        &self,
        request: &ReplayRequest,
        dice: &mut Dice,
    ) -> Result<ReplayReport, OpsError> {
        // Only what is there now: what fails again while this runs is not sent back a second time.
        let all = dlq::letters(self.bus, self.store).await?;
        let mut report = ReplayReport::default();
        let selected = select(&all, request, &mut report)?;
        for letter in &selected {
            report.selected += 1;
            *report.by_topic.entry(letter.view.original_topic.clone()).or_default() += 1;
            *report.by_error.entry(letter.view.error_code.clone()).or_default() += 1;
        }
        if request.dry_run || selected.is_empty() {
            return Ok(report);
        }
        let job = format!("job-{:012x}", dice.below(1 << 48));
        report.job = Some(job.clone());
        self.begin(&job, request, selected.len()).await?;
        let mut sent = vec![];
        let started = self.clock.elapsed();
        for letter in selected {
            if request.rate > 0 {
                let at =
                    started + Duration::from_secs_f64(sent.len() as f64 / f64::from(request.rate));
                self.clock.sleep(at.saturating_sub(self.clock.elapsed())).await;
            }
            if self.send(letter, &job, request, &mut report).await? {
                sent.push(letter.view.id.clone());
            }
        }
        self.outcome(&sent, request, &mut report).await?;
        self.end(&job, &report).await?;
        Ok(report)
    }

    /// Sends one letter back; whether it was sent.
    async fn send(
        &self,
        letter: &Letter,
        job: &str,
        request: &ReplayRequest,
        report: &mut ReplayReport,
    ) -> Result<bool, OpsError> {
        if !letter.intact {
            report.damaged += 1;
            self.note(letter, job, request, "damaged", None).await?;
            return Ok(false);
        }
        if letter.view.replays >= request.max_replays {
            report.parked += 1;
            self.note(letter, job, request, "parked", Some(EntryState::Parked)).await?;
            return Ok(false);
        }
        // The intention first: after a crash in between, the letter is sent again, and the inbox
        // drops the second copy if the first had arrived.
        self.note(letter, job, request, "replaying", Some(EntryState::Replaying)).await?;
        self.bus.publish(vec![replayed(letter, job, self.clock.now())]).await?;
        report.replayed += 1;
        Ok(true)
    }

    async fn note(
        &self,
        letter: &Letter,
        job: &str,
        request: &ReplayRequest,
        action: &str,
        state: Option<EntryState>,
    ) -> Result<(), OpsError> {
        let now = self.clock.now();
        let id = &letter.view.id;
        let mut batch = Batch::default();
        if let Some(state) = state {
            batch.one(
                "insert into dlq_entries (entry_id, state, event_id, job_id, updated_at) values (?1, ?2, ?3, ?4, ?5)
                 on conflict (entry_id) do update set state = excluded.state, job_id = excluded.job_id,
                   updated_at = excluded.updated_at",
                values![id, state.as_str(), &letter.view.event_id, job, now],
            );
        }
        let detail = format!("{} to {}", letter.view.error_code, letter.view.original_topic);
        batch.one(
            "insert into dlq_audit (at, actor, action, entry_id, job_id, detail) values (?1, ?2, ?3, ?4, ?5, ?6)",
            values![now, &request.actor, action, id, job, detail],
        );
        Ok(self.store.write(batch).await?)
    }

    /// Waits for what becomes of the letters that were sent, and writes it down.
    async fn outcome(
        &self,
        sent: &[String],
        request: &ReplayRequest,
        report: &mut ReplayReport,
    ) -> Result<(), OpsError> {
        let patience =
            if self.running { Duration::from_millis(request.wait_ms) } else { Duration::ZERO };
        let give_up = self.clock.elapsed() + patience;
        loop {
            let states = self.states(sent).await?;
            let count = |state| states.values().filter(|s| **s == state).count() as u64;
            (report.resolved, report.refailed) =
                (count(EntryState::Resolved), count(EntryState::Refailed));
            report.pending = sent.len() as u64 - report.resolved - report.refailed;
            if report.pending == 0 || self.clock.elapsed() >= give_up {
                return self.settle(&states).await;
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
    }

    async fn states(&self, sent: &[String]) -> Result<BTreeMap<String, EntryState>, OpsError> {
        let all = dlq::letters(self.bus, self.store).await?;
        let sent = all.into_iter().filter(|letter| sent.contains(&letter.view.id));
        Ok(sent.map(|letter| (letter.view.id, letter.view.state)).collect())
    }

    async fn settle(&self, states: &BTreeMap<String, EntryState>) -> Result<(), OpsError> {
        let mut batch = Batch::default();
        for (id, state) in states.iter().filter(|(_, state)| **state != EntryState::Replaying) {
            batch.any(
                "update dlq_entries set state = ?2, updated_at = ?3 where entry_id = ?1",
                values![id, state.as_str(), self.clock.now()],
            );
        }
        Ok(self.store.write(batch).await?)
    }

    async fn begin(
        &self,
        job: &str,
        request: &ReplayRequest,
        count: usize,
    ) -> Result<(), OpsError> {
        let plan = serde_json::to_string(request).expect("a request is plain data");
        let mut batch = Batch::default();
        batch.one(
            "insert into replay_jobs (job_id, state, plan, outcome, actor, created_at, updated_at)
             values (?1, 'running', ?2, ?3, ?4, ?5, ?5)",
            values![
                job,
                plan,
                format!("{{\"selected\":{count}}}"),
                &request.actor,
                self.clock.now()
            ],
        );
        Ok(self.store.write(batch).await?)
    }

    async fn end(&self, job: &str, report: &ReplayReport) -> Result<(), OpsError> {
        let outcome = serde_json::to_string(report).expect("a report is plain data");
        let state = if report.is_partial() { "partial" } else { "done" };
        let mut batch = Batch::default();
        batch.one(
            "update replay_jobs set state = ?2, outcome = ?3, updated_at = ?4 where job_id = ?1",
            values![job, state, outcome, self.clock.now()],
        );
        Ok(self.store.write(batch).await?)
    }
}

fn select<'a>(
    all: &'a [Letter],
    request: &ReplayRequest,
    report: &mut ReplayReport,
) -> Result<Vec<&'a Letter>, OpsError> {
    let mut wanted: Vec<&Letter> = vec![];
    if request.ids.is_empty() {
        wanted.extend(dlq::matching(all, &request.filter)?);
    } else {
        for id in &request.ids {
            wanted.push(dlq::find(all, id)?);
        }
    }
    let (open, done): (Vec<&Letter>, Vec<&Letter>) = wanted
        .into_iter()
        .partition(|letter| matches!(letter.view.state, EntryState::Open | EntryState::Replaying));
    if !request.ids.is_empty() {
        report.skipped = done.len() as u64;
    }
    Ok(open)
}

/// The original record again, as a replay: same key, same bytes, same event id.
fn replayed(letter: &Letter, job: &str, now: Timestamp) -> NewRecord {
    let view = &letter.view;
    let told = |name: &str| {
        ERROR_FAMILIES.iter().any(|family| name.starts_with(family))
            || name.starts_with(REPLAY_FAMILY)
    };
    let mut headers: Vec<RecordHeader> =
        letter.record.headers.iter().filter(|(name, _)| !told(name)).cloned().collect();
    let added: [(&str, String); 5] = [
        ("ecom-replay-group", view.group.clone()),
        ("ecom-replay-count", (view.replays + 1).to_string()),
        ("ecom-replay-job", job.to_owned()),
        ("ecom-replay-of", view.id.clone()),
        ("ecom-replayed-at", now.to_string()),
    ];
    headers.extend(added.map(|(name, value)| (name.to_owned(), value.into())));
    // Without a key, back to the very partition; with one, the key knows it.
    let partition = letter.record.header("__dlq.errors.partition").and_then(|p| p.parse().ok());
    NewRecord {
        topic: view.original_topic.clone(),
        partition: partition.filter(|_| letter.record.key.is_none()),
        key: letter.record.key.clone(),
        headers,
        value: letter.payload.clone(),
    }
}

/// Keeps two replays from running at the same time.
pub(super) type OneAtATime = Arc<tokio::sync::Mutex<Dice>>;
