//! How dead letters came over time: the same few columns for all groups, so that they can be held against each
//! other.

use std::collections::BTreeMap;

use super::Group;

/// Columns at most.
pub(in crate::ops) const COLUMNS: i64 = 12;
/// Counts are kept by the minute, in ms.
pub(in crate::ops) const MINUTE_MS: i64 = 60_000;

/// Counts by group and minute.
pub(in crate::ops) type Minutes = BTreeMap<String, BTreeMap<i64, u64>>;

/// Spreads what came in each minute over equal columns, from the first minute of all groups to the last.
pub(in crate::ops) fn spread(groups: &mut [Group], minutes: &Minutes) {
    let all = || minutes.values().flat_map(|of| of.keys().copied());
    let (Some(first), Some(last)) = (all().min(), all().max()) else { return };
    let length = last - first + 1;
    let columns = length.min(COLUMNS);
    for group in groups {
        group.over_time = vec![0; columns as usize];
        for (minute, count) in minutes.get(&group.value).into_iter().flatten() {
            group.over_time[((minute - first) * columns / length) as usize] += count;
        }
    }
}

/// The highest column of all groups.
pub fn highest(groups: &[Group]) -> u64 {
    groups.iter().flat_map(|group| &group.over_time).copied().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn spread_over(counts: &[(&str, i64, u64)]) -> Vec<Vec<u64>> {
        let mut minutes = Minutes::default();
        for (value, minute, count) in counts {
            *minutes.entry((*value).to_owned()).or_default().entry(*minute).or_default() += count;
        }
        let group = |value: &String| Group {
            value: value.clone(),
            total: 0,
            states: BTreeMap::new(),
            first_at: Timestamp::from_millis(0),
            last_at: Timestamp::from_millis(0),
            over_time: vec![],
        };
        let mut groups: Vec<Group> = minutes.keys().map(group).collect();
        spread(&mut groups, &minutes);
        groups.into_iter().map(|group| group.over_time).collect()
    }

    #[test]
    fn all_groups_have_the_same_columns_and_nothing_is_lost() {
        assert_eq!(spread_over(&[]), Vec::<Vec<u64>>::new());
        assert_eq!(spread_over(&[("a", 7, 3)]), [[3]]);
        assert_eq!(spread_over(&[("a", 7, 3), ("b", 9, 1)]), [[3, 0, 0], [0, 0, 1]]);
        let day: Vec<(&str, i64, u64)> = (0..1_440).map(|minute| ("a", minute, 1)).collect();
        assert_eq!(spread_over(&day), [[120; 12]]);
        let uneven = spread_over(&[("a", 0, 1), ("a", 12, 2), ("b", 6, 4)]);
        assert_eq!(uneven.iter().flatten().sum::<u64>(), 7);
        assert_eq!((uneven[0][0], uneven[0][11]), (1, 2));
    }
}
