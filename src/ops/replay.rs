//! Sending dead letters back to where they came from: the original bytes, to the one group that failed
//! them, at a bounded rate, never more often than allowed, and with a note of each step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::OpsError;
use super::dlq::{self, DlqFilter, EntryState, Index};
use super::ledger::Ledger;
use super::letters::{self, Content, Ends, Letter};
use crate::domain::Timestamp;
use crate::ports::bus::{EventBus, NewRecord, RecordHeader};
use crate::ports::{Clock, Dice};

/// Headers that tell of failures: a replay starts without them.
const ERROR_FAMILIES: [&str; 3] = ["ecom-dlq-", "__dlq.errors.", "kafka_dlt-"];
/// Headers of a replay: set anew by each.
const REPLAY_FAMILY: &str = "ecom-replay";
/// Pause between two looks at what became of a replay.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest wait for what becomes of a replay: somebody waits for the answer, and so do other replays.
const WAIT_MAX: Duration = Duration::from_mins(5);

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
    /// How long to wait for what becomes of them, in ms; at most 300000.
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

    /// Whether it ended before it came to all that it was asked for.
    pub(super) const fn is_broken_off(&self) -> bool {
        self.replayed + self.parked + self.damaged < self.selected
    }
}

/// What a replay works on.
pub(super) struct Replayer<'a> {
    pub(super) bus: &'a dyn EventBus,
    pub(super) ledger: Ledger<'a>,
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
        if Duration::from_millis(request.wait_ms) > WAIT_MAX {
            let text = format!(
                "wait_ms must be at most {}: a replay is waited for 5 minutes at most",
                WAIT_MAX.as_millis()
            );
            return Err(OpsError::Invalid(text));
        }
        // Only what is there now: what fails again while this runs is not sent back a second time.
        let (all, ends) = dlq::letters(self.bus, &self.ledger).await?;
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
        self.ledger.begin(&job, request, &report).await?;
        let mut sent = vec![];
        let started = self.clock.elapsed();
        for letter in selected {
            if request.rate > 0 {
                let at =
                    started + Duration::from_secs_f64(sent.len() as f64 / f64::from(request.rate));
                self.clock.sleep(at.saturating_sub(self.clock.elapsed())).await;
            }
            if self.send(letter, &job, request, &mut report).await? {
                sent.push(letter);
            }
        }
        self.outcome(sent, ends, request, &mut report).await?;
        self.ledger.end(&job, &report).await?;
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
        let content = letters::content(self.bus, &letter.at).await?;
        let Some(content) = content.filter(|content| content.intact) else {
            report.damaged += 1;
            self.ledger.note(letter, job, request, "damaged", None).await?;
            return Ok(false);
        };
        if letter.view.replays >= request.max_replays {
            report.parked += 1;
            self.ledger.note(letter, job, request, "parked", Some(EntryState::Parked)).await?;
            return Ok(false);
        }
        // The intention first: after a crash in between, the letter is sent again, and the inbox
        // drops the second copy if the first had arrived.
        self.ledger.note(letter, job, request, "replaying", Some(EntryState::Replaying)).await?;
        self.bus.publish(vec![replayed(letter, content, job, self.clock.now())]).await?;
        report.replayed += 1;
        Ok(true)
    }

    /// Waits for what becomes of the letters in `waiting`, which were sent. They fail again, if they
    /// do, after the `ends` that the topic had before.
    async fn outcome(
        &self,
        mut waiting: Vec<&Letter>,
        mut ends: Ends,
        request: &ReplayRequest,
        report: &mut ReplayReport,
    ) -> Result<(), OpsError> {
        let patience =
            if self.running { Duration::from_millis(request.wait_ms) } else { Duration::ZERO };
        let give_up = self.clock.elapsed() + patience;
        loop {
            let newer;
            (newer, ends) = letters::since(self.bus, &ends).await?;
            let settled = self.ledger.settle(&waiting, &newer).await?;
            let count = |state| settled.values().filter(|s| **s == state).count() as u64;
            report.resolved += count(EntryState::Resolved);
            report.refailed += count(EntryState::Refailed);
            waiting.retain(|letter| !settled.contains_key(&letter.view.id));
            report.pending = waiting.len() as u64;
            if waiting.is_empty() || self.clock.elapsed() >= give_up {
                return Ok(());
            }
            self.clock.sleep(LOOK_EVERY).await;
        }
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
        let (index, mut known) = (Index::of(all), BTreeSet::new());
        for id in &request.ids {
            let letter = index.find(id)?;
            if known.insert(&letter.view.id) {
                wanted.push(letter);
            }
        }
    }
    let (open, done): (Vec<&Letter>, Vec<&Letter>) =
        wanted.into_iter().partition(|letter| match letter.view.state {
            EntryState::Open | EntryState::Replaying => true,
            // Whoever names it and allows more replays wants it to go on.
            EntryState::Parked => {
                !request.ids.is_empty() && letter.view.replays < request.max_replays
            }
            _ => false,
        });
    if !request.ids.is_empty() {
        report.skipped = done.len() as u64;
    }
    Ok(open)
}

/// The original record again, as a replay: same key, same bytes, same event id.
fn replayed(letter: &Letter, content: Content, job: &str, now: Timestamp) -> NewRecord {
    let (view, record) = (&letter.view, content.record);
    let told = |name: &str| {
        ERROR_FAMILIES.iter().any(|family| name.starts_with(family))
            || name.starts_with(REPLAY_FAMILY)
    };
    let mut headers: Vec<RecordHeader> =
        record.headers.iter().filter(|(name, _)| !told(name)).cloned().collect();
    let added: [(&str, String); 5] = [
        ("ecom-replay-group", view.group.clone()),
        ("ecom-replay-count", (view.replays + 1).to_string()),
        ("ecom-replay-job", job.to_owned()),
        ("ecom-replay-of", view.id.clone()),
        ("ecom-replayed-at", now.to_string()),
    ];
    headers.extend(added.map(|(name, value)| (name.to_owned(), value.into())));
    // Without a key, back to the very partition; with one, the key knows it.
    let partition = record.header("__dlq.errors.partition").and_then(|p| p.parse().ok());
    NewRecord {
        topic: view.original_topic.clone(),
        partition: partition.filter(|_| record.key.is_none()),
        key: record.key.clone(),
        headers,
        value: content.payload,
    }
}

/// Keeps two replays from running at the same time.
pub(super) type OneAtATime = Arc<tokio::sync::Mutex<Dice>>;
