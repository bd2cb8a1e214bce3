//! Reading the records of letters: those that lie near each other in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::index::Indexed;
use crate::ops::OpsError;
use crate::ports::bus::{EventBus, Position, Record};

/// Letters that lie further apart are not read in one go, and large ones only if they are neighbours: what
/// lies between them is read in vain.
const GAP_MAX: u64 = 64;
const LARGE: u64 = 16 << 10;
/// Records read at a time.
const PAGE: usize = 256;

/// The records of these letters, as far as they are still there.
pub(in crate::ops) async fn records_of(
    bus: &dyn EventBus,
    letters: &[Indexed],
) -> Result<BTreeMap<Position, Arc<Record>>, OpsError> {
    let mut wanted: Vec<&Position> = letters.iter().map(|letter| &letter.at).collect();
    wanted.sort_unstable();
    let there: BTreeSet<&Position> = wanted.iter().copied().collect();
    let bytes: u64 = letters.iter().map(|letter| letter.view.bytes).sum();
    let gap = if bytes / letters.len().max(1) as u64 > LARGE { 1 } else { GAP_MAX };
    let mut found = BTreeMap::new();
    let mut wanted = wanted.into_iter().peekable();
    while let Some(first) = wanted.next() {
        // A run of neighbours is read in one go.
        let mut last = first;
        let near = |last: &Position, next: &Position| {
            next.topic == last.topic
                && next.partition == last.partition
                && next.offset - last.offset <= gap
        };
        while let Some(next) = wanted.next_if(|next| near(last, next)) {
            last = next;
        }
        let mut at = first.clone();
        while at.offset <= last.offset {
            let page = PAGE.min((last.offset - at.offset + 1) as usize);
            let records = bus.read(&at, page).await?;
            let Some(end) = records.last() else { break };
            at.offset = end.at.offset + 1;
            let wanted = records.into_iter().filter(|record| there.contains(&record.at));
            found.extend(wanted.map(|record| (record.at.clone(), record)));
        }
    }
    Ok(found)
}
