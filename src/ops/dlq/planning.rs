//! What a replay would do: which letters are asked for, where each goes, and whether it makes sense as asked.

use std::time::Duration;

use super::index::{Cursor, Indexed};
use super::replay::{Order, ReplayReport, ReplayRequest};
use super::routing::{Route, Targets};
use super::running::Replayer;
use super::scan::Progress;
use super::{DlqFilter, EntryState};
use crate::ops::OpsError;

/// Longest wait for what becomes of a replay.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Letters of a replay by keys: they are put in order in memory, half a kilobyte each.
const ORDERED_MAX: u64 = 100_000;

/// Where a job's letters come from.
pub(super) enum Source {
    These(Vec<Indexed>),
    Matching(Cursor),
}

impl Replayer<'_> {
    /// What a replay would do; `request` is bounded by what there is now.
    pub(in crate::ops) async fn plan(
        &self,
        request: &mut ReplayRequest,
        progress: &Progress,
    ) -> Result<ReplayReport, OpsError> {
        self.check(request)?;
        let ends = self.ledger.look(&self.index, progress).await?;
        if request.below.is_empty() {
            let named = |((topic, partition), end)| (format!("{topic}/{partition}"), end);
            request.below = ends.into_iter().map(named).collect();
        }
        let (mut report, mut targets) = (ReplayReport::default(), Targets::new(self.bus));
        let mut selected = vec![];
        if request.ids.is_empty() && self.ledger.inbox {
            self.unheard(request, &mut targets, &mut report).await?;
        }
        let mut source = self.source(request, &mut report).await?;
        loop {
            let letters = self.next(&mut source, request).await?;
            if letters.is_empty() {
                break;
            }
            targets.learn(&letters, request).await?;
            for letter in letters {
                count(&letter, request, &targets, &mut report);
                if request.ordered == Order::Key {
                    selected.push(letter);
                }
            }
            if is_full(request, &report) {
                break;
            }
            if request.ordered == Order::Key && report.selected > ORDERED_MAX {
                return Err(OpsError::Invalid(format!(
                    "more than {ORDERED_MAX} letters cannot be put in order by their keys: choose fewer, by a filter or with a limit"
                )));
            }
        }
        if request.ordered == Order::Key {
            selected.truncate(report.selected as usize);
            report.warnings = self.warnings(&selected).await?;
        }
        if !self.ledger.inbox {
            report.warnings.extend(self.without_inbox(request, &report).await?);
        }
        Ok(report)
    }

    /// What is to be known where nobody tells what took effect.
    async fn without_inbox(
        &self,
        request: &ReplayRequest,
        report: &ReplayReport,
    ) -> Result<Option<String>, OpsError> {
        if report.selected > 0 {
            let topics: Vec<&str> = report.by_topic.keys().map(String::as_str).collect();
            return Ok(Some(format!(
                "every group that reads {} gets them, also those that have handled them: make sure that twice does no harm",
                topics.join(", ")
            )));
        }
        let sent = self.in_state(EntryState::Replaying, request, &mut Cursor::default()).await?;
        Ok((request.ids.is_empty() && !sent.is_empty()).then(|| {
            "what was sent back already is left alone, since nobody tells here what took effect: to send a letter again, name its id"
                .to_owned()
        }))
    }

    /// Whether it makes sense as asked.
    fn check(&self, request: &ReplayRequest) -> Result<(), OpsError> {
        let invalid = |text: String| Err(OpsError::Invalid(text));
        if Duration::from_millis(request.wait_ms) > WAIT_MAX {
            return invalid(format!(
                "wait_ms must be at most {}: a replay is waited for 5 minutes at most",
                WAIT_MAX.as_millis()
            ));
        }
        if request.stop_on_failure.is_some_and(|share| share > 100) {
            return invalid("stop_on_failure must be 0 to 100 per cent".into());
        }
        if request.to.as_ref().is_some_and(String::is_empty) {
            return invalid("to must be a topic's name".into());
        }
        if request.ordered == Order::Key {
            if request.partition == Route::Original {
                return invalid("ordered by key and sent to the original partitions is a contradiction: a key's letters may come from several, between which nothing is in order; send them to the key's partition, or to one by its number".into());
            }
            if self.ledger.inbox && !self.running {
                return invalid("ordered by key, a letter is sent when the one before it was taken up, and the shop is stopped: start it, or leave the order out".into());
            }
            if self.ledger.inbox && request.wait_ms == 0 {
                return invalid("ordered by key, a letter is sent when something was heard of the one before it: wait for more than 0".into());
            }
        }
        request.filter.checked().map(drop)
    }

    /// Letters that were sent back, and of which nothing was heard, are open again for who sends all that
    /// match. Where nobody can tell what took effect this is not done: what was sent once is sent again only
    /// by its name.
    async fn unheard(
        &self,
        request: &ReplayRequest,
        targets: &mut Targets<'_>,
        report: &mut ReplayReport,
    ) -> Result<(), OpsError> {
        let mut cursor = Cursor::default();
        loop {
            let letters = self.in_state(EntryState::Replaying, request, &mut cursor).await?;
            if letters.is_empty() {
                return Ok(());
            }
            if request.dry_run {
                targets.learn(&letters, request).await?;
                letters.iter().for_each(|letter| count(letter, request, targets, report));
                continue;
            }
            let told = ("reopened", request.actor.as_str(), "nothing was heard of it");
            self.ledger.mark(&self.index, &letters, EntryState::Open, told).await?;
        }
    }

    pub(super) async fn source(
        &self,
        request: &ReplayRequest,
        report: &mut ReplayReport,
    ) -> Result<Source, OpsError> {
        if request.ids.is_empty() {
            return Ok(Source::Matching(Cursor::default()));
        }
        let mut wanted: Vec<Indexed> = vec![];
        let mut known = std::collections::BTreeSet::new();
        for id in &request.ids {
            let letter = self.index.find(id).await?;
            if known.insert(letter.view.id.clone()) {
                wanted.push(letter);
            }
        }
        let all = wanted.len();
        wanted.retain(|letter| match letter.view.state {
            EntryState::Open | EntryState::Replaying => true,
            // Whoever names it and allows more replays wants it to go on.
            EntryState::Parked => letter.view.replays < request.max_replays,
            _ => false,
        });
        report.skipped = (all - wanted.len()) as u64;
        Ok(Source::These(wanted))
    }

    /// The next letters of a job; none at the end.
    pub(super) async fn next(
        &self,
        source: &mut Source,
        request: &ReplayRequest,
    ) -> Result<Vec<Indexed>, OpsError> {
        let cursor = match source {
            Source::These(letters) => return Ok(std::mem::take(letters)),
            Source::Matching(cursor) => cursor,
        };
        self.in_state(EntryState::Open, request, cursor).await
    }

    /// The next letters after `cursor` that are asked for and in this state; none at the end.
    pub(super) async fn in_state(
        &self,
        state: EntryState,
        request: &ReplayRequest,
        cursor: &mut Cursor,
    ) -> Result<Vec<Indexed>, OpsError> {
        let filter = DlqFilter { state: Some(state.as_str().into()), ..request.filter.clone() };
        loop {
            let mut letters = self.index.list(&filter.checked()?, cursor).await?;
            if letters.is_empty() {
                return Ok(vec![]);
            }
            letters.retain(|letter| {
                let place = format!("{}/{}", letter.at.topic, letter.at.partition);
                request.below.get(&place).is_some_and(|end| letter.at.offset < *end)
            });
            if !letters.is_empty() {
                return Ok(letters);
            }
        }
    }
}

fn count(
    letter: &Indexed,
    request: &ReplayRequest,
    targets: &Targets<'_>,
    report: &mut ReplayReport,
) {
    if is_full(request, report) {
        return;
    }
    report.selected += 1;
    *report.by_error.entry(letter.view.error_code.clone()).or_default() += 1;
    targets.count(letter, request, report);
}

/// Whether as many are selected as were asked for.
fn is_full(request: &ReplayRequest, report: &ReplayReport) -> bool {
    request.filter.limit.is_some_and(|limit| report.selected >= limit as u64)
}
