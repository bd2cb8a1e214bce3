//! Operations on dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::{LocalOps, Shared};
use crate::ops::blob::Blob;
use crate::ops::dlq::editing::{EditReport, EditRequest, repaired};
use crate::ops::dlq::index::{Cursor, Indexed};
use crate::ops::dlq::replay::{JobView, ReplayReport, ReplayRequest};
use crate::ops::dlq::trend::{MINUTE_MS, Minutes, spread};
use crate::ops::dlq::{self, DeadLetter, DeadLetterDetail, DlqFilter, EntryState, Group, GroupBy};
use crate::ops::topics::RecordView;
use crate::ops::{DlqOps, OpsError};
use crate::ports::bus::Record;

/// Bytes of the records of letters in full in one answer, about.
const PAGE_BYTES: u64 = 4 << 20;
/// Jobs in one answer.
const JOBS: usize = 100;

impl Shared {
    pub(super) async fn look(&self) -> Result<(), OpsError> {
        self.ledger().look(&self.index(), &self.progress).await.map(drop)
    }

    /// The record of a letter.
    async fn record(&self, letter: &Indexed) -> Result<Arc<Record>, OpsError> {
        let record = self.ground.bus.read(&letter.at, 1).await?.pop();
        let there = record.filter(|record| record.at == letter.at);
        there.ok_or_else(|| dlq::unknown(&letter.view.id))
    }

    /// A page of letters that match, as many as so many bytes of records hold, and one at least.
    async fn page(&self, filter: &DlqFilter, bytes_max: u64) -> Result<Vec<Indexed>, OpsError> {
        let checked = filter.checked()?;
        if filter.after.is_none() {
            self.look().await?;
        }
        let mut cursor = self.cursor(filter.after.as_ref()).await?;
        let mut found = self.index().list(&checked, &mut cursor).await?;
        if found.is_empty() && filter.after.is_some() {
            // At the end there may be more by now.
            self.look().await?;
            found = self.index().list(&checked, &mut cursor).await?;
        }
        let mut bytes = 0;
        let fits = |letter: &Indexed| {
            bytes += letter.view.bytes;
            bytes == letter.view.bytes || bytes <= bytes_max
        };
        let limit = filter.limit.unwrap_or(usize::MAX);
        Ok(found.into_iter().take(limit).take_while(fits).collect())
    }

    /// Letters in full; those whose records are gone are left out.
    async fn in_full(&self, letters: Vec<Indexed>) -> Result<Vec<DeadLetterDetail>, OpsError> {
        let mut records = dlq::records_of(self.ground.bus.as_ref(), &letters).await?;
        let mut audits = self.ledger().audits(&letters).await?;
        let detail = |letter: Indexed| {
            let content = dlq::content(&records.remove(&letter.at)?);
            Some(DeadLetterDetail {
                record: RecordView::from(content.record.as_ref()),
                payload: content.payload.as_deref().map(Blob::of),
                payload_intact: content.intact,
                audit: audits.remove(&letter.view.id).unwrap_or_default(),
                letter: letter.view,
            })
        };
        Ok(letters.into_iter().filter_map(detail).collect())
    }

    /// Where a list goes on after the letter `after`.
    async fn cursor(&self, after: Option<&String>) -> Result<Cursor, OpsError> {
        match after {
            Some(id) => Ok(Cursor::after(&self.index().find(id).await?)),
            None => Ok(Cursor::default()),
        }
    }

    /// Sums up what only a look at each letter can tell.
    async fn summed(&self, filter: &DlqFilter, by: GroupBy) -> Result<Vec<Group>, OpsError> {
        let (checked, mut cursor) = (filter.checked()?, Cursor::default());
        let (mut groups, mut minutes) = (BTreeMap::<String, Group>::new(), Minutes::new());
        loop {
            let letters = self.index().list(&checked, &mut cursor).await?;
            if letters.is_empty() {
                break;
            }
            for letter in letters {
                let view = letter.view;
                let value = by.of(&view).to_owned();
                let minute = view.failed_at.millis() / MINUTE_MS;
                *minutes.entry(value.clone()).or_default().entry(minute).or_default() += 1;
                let group = groups.entry(value.clone()).or_insert_with(|| Group {
                    value,
                    total: 0,
                    states: BTreeMap::new(),
                    first_at: view.failed_at,
                    last_at: view.failed_at,
                    over_time: vec![],
                });
                group.total += 1;
                *group.states.entry(view.state).or_default() += 1;
                group.last_at = group.last_at.max(view.failed_at);
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.total));
        spread(&mut groups, &minutes);
        Ok(groups)
    }
}

#[async_trait]
impl DlqOps for LocalOps {
    async fn dead_letters(&self, filter: &DlqFilter) -> Result<Vec<DeadLetter>, OpsError> {
        let page = self.shared.page(filter, u64::MAX).await?;
        Ok(page.into_iter().map(|letter| letter.view).collect())
    }

    async fn dead_letters_in_full(
        &self,
        filter: &DlqFilter,
    ) -> Result<Vec<DeadLetterDetail>, OpsError> {
        let mut filter = filter.clone();
        loop {
            let page = self.shared.page(&filter, PAGE_BYTES).await?;
            let Some(last) = page.last() else { return Ok(vec![]) };
            filter.after = Some(last.view.id.clone());
            let details = self.shared.in_full(page).await?;
            if !details.is_empty() {
                return Ok(details);
            }
        }
    }

    async fn dead_letter(&self, id: &str) -> Result<DeadLetterDetail, OpsError> {
        self.shared.look().await?;
        let letter = self.shared.index().find(id).await?;
        let detail = self.shared.in_full(vec![letter]).await?.pop();
        detail.ok_or_else(|| dlq::unknown(id))
    }

    async fn dlq_summary(&self, filter: &DlqFilter, by: GroupBy) -> Result<Vec<Group>, OpsError> {
        filter.checked()?;
        self.shared.look().await?;
        if filter.is_of_groups() {
            return self.shared.index().groups(filter, by).await;
        }
        self.shared.summed(filter, by).await
    }

    async fn discard(&self, ids: &[String], actor: &str, why: &str) -> Result<u64, OpsError> {
        let from = [EntryState::Open, EntryState::Refailed, EntryState::Parked];
        self.shared.mark(ids, &from, EntryState::Discarded, ("discarded", actor, why)).await
    }

    async fn restore(&self, ids: &[String], actor: &str) -> Result<u64, OpsError> {
        let from = [EntryState::Discarded, EntryState::Parked];
        self.shared.mark(ids, &from, EntryState::Open, ("restored", actor, "")).await
    }

    async fn edit(&self, request: &EditRequest) -> Result<EditReport, OpsError> {
        self.shared.edit(request).await
    }

    async fn replay(&self, request: &ReplayRequest) -> Result<ReplayReport, OpsError> {
        self.shared.begin(request.clone()).await
    }

    async fn jobs(&self) -> Result<Vec<JobView>, OpsError> {
        self.shared.jobs(JOBS).await
    }

    async fn job(&self, id: &str) -> Result<JobView, OpsError> {
        self.shared.job(id).await
    }

    async fn cancel(&self, job: &str) -> Result<JobView, OpsError> {
        self.shared.cancel(job).await?;
        self.shared.job(job).await
    }

    async fn resume(&self, job: &str) -> Result<JobView, OpsError> {
        self.shared.resume(job).await?;
        self.shared.job(job).await
    }
}

impl Shared {
    async fn edit(&self, request: &EditRequest) -> Result<EditReport, OpsError> {
        self.look().await?;
        let letter = self.index().find(&request.id).await?;
        let view = &letter.view;
        if matches!(view.state, EntryState::Resolved | EntryState::Discarded) {
            let text = format!(
                "{} is {} and done with; `ecom dlq restore` opens a discarded one",
                view.id, view.state
            );
            return Err(OpsError::Invalid(text));
        }
        let record = self.record(&letter).await?;
        let value = request.value.bytes();
        let value = value.ok_or_else(|| OpsError::Invalid("the value is no base64".into()))?;
        let now = self.ground.clock.now();
        let (copy, event_id) = repaired(&letter, &record, value, now)?;
        let (id, topic) = (view.id.clone(), copy.topic.clone());
        let mut report = EditReport { id, topic, event_id, at: None };
        if request.dry_run {
            return Ok(report);
        }
        // Who dies here and sends it again sends the same event, which is dropped.
        let at = self.ground.bus.publish(vec![copy]).await?.pop().map(|at| at.to_string());
        let told = report.event_id.as_deref().unwrap_or("a copy");
        let why = format!("{told} sent to {}", at.as_deref().unwrap_or(&report.topic));
        let letters = std::slice::from_ref(&letter);
        let told = ("edited", request.actor.as_str(), why.as_str());
        self.ledger().mark(&self.index(), letters, EntryState::Resolved, told).await?;
        self.ground.store.durable().await?;
        report.at = at;
        Ok(report)
    }

    /// Gives those of these letters that are in one of the states `from` another one; how many.
    async fn mark(
        &self,
        ids: &[String],
        from: &[EntryState],
        to: EntryState,
        told: (&'static str, &str, &str),
    ) -> Result<u64, OpsError> {
        self.look().await?;
        let mut letters = vec![];
        for id in ids {
            letters.push(self.index().find(id).await?);
        }
        letters.retain(|letter| from.contains(&letter.view.state));
        self.ledger().mark(&self.index(), &letters, to, told).await?;
        self.ground.store.durable().await?;
        Ok(letters.len() as u64)
    }
}
