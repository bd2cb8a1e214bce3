//! Letters in the order of their keys: the next of a key is sent when the one before it took effect or was
//! given up again. Order holds within one topic and key, so that is what a key is here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::index::{Cursor, Indexed};
use super::replay::{JobState, ReplayReport};
use super::running::Way;
use super::{DeadLetter, EntryState};
use crate::ops::OpsError;
use crate::ops::blob::Blob;

/// What is left of a job by keys.
#[derive(Default)]
struct Keys {
    /// By key, the oldest first.
    left: BTreeMap<Vec<u8>, VecDeque<Indexed>>,
    /// By id, letters that were sent and of which nothing was heard, and their keys.
    unheard: BTreeMap<String, Vec<u8>>,
    busy: BTreeSet<Vec<u8>>,
}

/// What a letter must stay in order with; one without a key only with itself.
fn name(letter: &DeadLetter) -> Vec<u8> {
    let key = letter.key.as_ref().and_then(Blob::bytes);
    match key {
        Some(key) => [letter.original_topic.as_bytes(), b"\0", &key].concat(),
        None => [b"\0", letter.id.as_bytes()].concat(),
    }
}

impl Keys {
    fn of(letters: Vec<Indexed>) -> Self {
        let mut keys = Self::default();
        for letter in letters {
            keys.left.entry(name(&letter.view)).or_default().push_back(letter);
        }
        for letters in keys.left.values_mut() {
            letters.make_contiguous().sort_by_key(|letter| {
                let view = &letter.view;
                let original = view.original_offset.unwrap_or(u64::MAX);
                (view.original_partition, original, view.failed_at, letter.at.clone())
            });
        }
        keys
    }

    /// Takes the next letter of each key that waits for none.
    fn ready(&mut self) -> Vec<Indexed> {
        let (mut ready, busy) = (vec![], &self.busy);
        self.left.retain(|key, letters| {
            if !busy.contains(key) {
                ready.extend(letters.pop_front());
            }
            !letters.is_empty()
        });
        ready
    }

    fn sent(&mut self, letter: &DeadLetter) {
        let key = name(letter);
        self.busy.insert(key.clone());
        self.unheard.insert(letter.id.clone(), key);
    }

    fn heard(&mut self, id: &str) {
        if let Some(key) = self.unheard.remove(id) {
            self.busy.remove(&key);
        }
    }

    fn count(&self) -> u64 {
        self.left.values().map(|letters| letters.len() as u64).sum()
    }
}

impl Way<'_> {
    /// Sends `again`, which broke off, and then all others, each when it is its turn.
    pub(super) async fn send_in_order(
        &mut self,
        again: Vec<Indexed>,
        report: &mut ReplayReport,
    ) -> Result<JobState, OpsError> {
        let (replayer, clock) = (self.replayer, self.replayer.clock);
        let mut keys = Keys::of(self.chosen(report, &again).await?);
        if replayer.is_told() && self.request.ids.is_empty() {
            // What was sent before the job broke off holds its key up as well. What is named is sent again.
            let mut cursor = Cursor::default();
            loop {
                let state = EntryState::Replaying;
                let sent = replayer.in_state(state, self.request, &mut cursor).await?;
                if sent.is_empty() {
                    break;
                }
                sent.iter().for_each(|letter| keys.sent(&letter.view));
            }
        }
        let (mut ready, mut last_news) = (again, clock.elapsed());
        loop {
            while !ready.is_empty() {
                let views: Vec<DeadLetter> = ready.iter().map(|l| l.view.clone()).collect();
                if let Some(ended) = self.step(&mut ready, report).await? {
                    return Ok(ended);
                }
                last_news = clock.elapsed();
                if replayer.is_told() {
                    let sent: BTreeSet<&String> = report.under_way.iter().collect();
                    views.iter().filter(|v| sent.contains(&v.id)).for_each(|v| keys.sent(v));
                }
            }
            ready = keys.ready();
            if !ready.is_empty() {
                continue;
            }
            if keys.left.is_empty() {
                return Ok(JobState::Done);
            }
            if self.is_cancelled(report) {
                return Ok(JobState::Cancelled);
            }
            let began = clock.elapsed();
            if self.listen(&mut keys, report).await? {
                last_news = clock.elapsed();
            } else if clock.elapsed() >= last_news + self.patience() {
                report.held = keys.count();
                return Ok(JobState::Done);
            } else {
                self.pause(began, report).await?;
            }
        }
    }

    /// The job's letters, as many as are left of its limit after `again`.
    async fn chosen(
        &self,
        report: &ReplayReport,
        again: &[Indexed],
    ) -> Result<Vec<Indexed>, OpsError> {
        let (replayer, request) = (self.replayer, self.request);
        let known: BTreeSet<&str> = again.iter().map(|letter| letter.view.id.as_str()).collect();
        let left = self.limit().saturating_sub(report.handled() + again.len() as u64);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let mut source = replayer.source(request, &mut ReplayReport::default()).await?;
        let mut letters = vec![];
        loop {
            let more = replayer.next(&mut source, request).await?;
            if more.is_empty() || letters.len() >= left {
                letters.truncate(left);
                return Ok(letters);
            }
            let is_new = |letter: &Indexed| !known.contains(letter.view.id.as_str());
            letters.extend(more.into_iter().filter(is_new));
        }
    }

    /// Looks whether anything was heard of letters that others wait for.
    async fn listen(&self, keys: &mut Keys, report: &mut ReplayReport) -> Result<bool, OpsError> {
        self.look(report).await?;
        let waiting: Vec<String> = keys.unheard.keys().cloned().collect();
        let before = waiting.len();
        for id in waiting {
            let state = match self.replayer.index.find(&id).await {
                Ok(letter) => letter.view.state,
                // Its record is gone: nobody will hear of it.
                Err(OpsError::NotFound(_)) => EntryState::Discarded,
                Err(e) => return Err(e),
            };
            if state != EntryState::Replaying {
                keys.heard(&id);
            }
        }
        Ok(keys.unheard.len() < before)
    }
}
