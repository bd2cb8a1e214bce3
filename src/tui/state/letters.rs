//! Dead letters: first what they have in common, then one by one.

use super::rows;
use super::table::Table;
use crate::domain::Timestamp;
use crate::ops::dlq::replay::ReplayRequest;
use crate::ops::dlq::{DeadLetter, DlqFilter, Group, GroupBy};

/// Letters of one page.
pub const PAGE: usize = 500;
/// Letters that are kept of a list at most.
const KEPT: usize = 10_000;

/// How long a replay waits for what becomes of what it sent.
const WAIT_MS: u64 = 60_000;

/// Where one is.
#[derive(Debug, Clone)]
pub struct Letters {
    /// By what they are summed up.
    pub by: GroupBy,
    /// The sums.
    summary: Table,
    /// The group that is open, and its letters.
    pub open: Option<Open>,
}

/// A group that is open.
#[derive(Debug, Clone)]
pub struct Open {
    /// What its letters have in common.
    pub value: String,
    /// Its letters.
    pub letters: Vec<DeadLetter>,
    /// As a list.
    pub table: Table,
    /// Whether there are no more than these.
    pub complete: bool,
}

impl Default for Letters {
    fn default() -> Self {
        Self { by: GroupBy::Error, summary: Table::new(rows::SUMMARY), open: None }
    }
}

impl Letters {
    /// The list that is shown.
    pub const fn table(&self) -> &Table {
        match &self.open {
            Some(open) => &open.table,
            None => &self.summary,
        }
    }

    /// The same, to be changed.
    pub const fn table_mut(&mut self) -> &mut Table {
        match &mut self.open {
            Some(open) => &mut open.table,
            None => &mut self.summary,
        }
    }

    /// Sums up by the next thing.
    pub fn next_grouping(&mut self) {
        let at = GroupBy::ALL.iter().position(|by| *by == self.by).unwrap_or(0);
        self.by = GroupBy::ALL[(at + 1) % GroupBy::ALL.len()];
        self.open = None;
        self.summary.set(vec![]);
    }

    /// Takes in sums.
    pub fn take_summary(&mut self, by: GroupBy, groups: &[Group], now: Timestamp) {
        if by == self.by {
            self.summary.set(rows::summary(groups, now));
        }
    }

    /// Opens the group under the cursor; what to ask for.
    pub fn enter(&mut self) -> Option<DlqFilter> {
        let value = self.summary.current()?.key.clone();
        let table = Table::new(rows::LETTERS);
        self.open = Some(Open { value, letters: vec![], table, complete: false });
        self.filter()
    }

    /// Which letters are shown; none while a summary is.
    pub fn filter(&self) -> Option<DlqFilter> {
        let open = self.open.as_ref()?;
        Some(DlqFilter { limit: Some(PAGE), ..filter_of(self.by, &open.value) })
    }

    /// What to ask for after the letters that are there; none if there are no more, or as many as are kept.
    pub fn more(&self) -> Option<DlqFilter> {
        let open = self.open.as_ref().filter(|open| !open.complete && open.letters.len() < KEPT)?;
        let after = open.letters.last()?.id.clone();
        Some(DlqFilter { after: Some(after), ..self.filter()? })
    }

    /// Takes in letters that were asked for with this filter.
    pub fn take(&mut self, filter: &DlqFilter, letters: Vec<DeadLetter>) {
        let expected = self.filter();
        let Some(open) = &mut self.open else { return };
        if expected
            .as_ref()
            .map(|expected| DlqFilter { after: filter.after.clone(), ..expected.clone() })
            != Some(filter.clone())
        {
            return;
        }
        let full = letters.len() >= PAGE;
        match &filter.after {
            None => {
                // The first page anew; what was read after it stays.
                let rest = open.letters.split_off(open.letters.len().min(letters.len()));
                open.complete = if rest.is_empty() { !full } else { open.complete };
                open.letters = letters;
                open.letters.extend(rest);
            }
            Some(after) if open.letters.last().is_some_and(|last| last.id == *after) => {
                open.letters.extend(letters);
                open.complete = !full;
            }
            Some(_) => return,
        }
        open.table.set(open.letters.iter().map(rows::letter).collect());
    }

    /// A replay of what is chosen: the marked letters, the one under the cursor, or a whole group; only planned yet.
    pub fn replay(&self, actor: &str) -> Option<ReplayRequest> {
        let base = replay_by(actor);
        if let Some(open) = &self.open {
            let ids = open.table.chosen();
            (!ids.is_empty()).then_some(ReplayRequest { ids, ..base })
        } else {
            let filter = filter_of(self.by, &self.summary.current()?.key);
            Some(ReplayRequest { filter, ..base })
        }
    }

    /// The letter under the cursor.
    pub fn current(&self) -> Option<&DeadLetter> {
        let open = self.open.as_ref()?;
        let key = &open.table.current()?.key;
        open.letters.iter().find(|letter| letter.id == *key)
    }
}

/// A replay that is only planned, of nothing yet.
pub fn replay_by(actor: &str) -> ReplayRequest {
    let actor = actor.to_owned();
    ReplayRequest { actor, wait_ms: WAIT_MS, dry_run: true, ..ReplayRequest::default() }
}

fn filter_of(by: GroupBy, value: &str) -> DlqFilter {
    let value = Some(value.to_owned());
    match by {
        GroupBy::Error => DlqFilter { error: value, ..DlqFilter::default() },
        GroupBy::Topic => DlqFilter { topic: value, ..DlqFilter::default() },
        GroupBy::Type => DlqFilter { event_type: value, ..DlqFilter::default() },
        GroupBy::Service => DlqFilter { service: value, ..DlqFilter::default() },
        GroupBy::Dlq => DlqFilter { dlq: value, ..DlqFilter::default() },
    }
}
