//! What was counted over time: one sample a second for an hour, looked at in larger steps.

use std::collections::VecDeque;

/// Samples that are kept: an hour.
const KEPT: usize = 3_600;

/// How much time a chart shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// As much as there is, up to an hour.
    #[default]
    Fit,
    /// One column is so many seconds.
    Seconds(u32),
}

/// Seconds of one column, from which one can choose.
const STEPS: [u32; 5] = [1, 2, 10, 30, 60];

impl Scale {
    /// A shorter time.
    #[must_use]
    pub fn closer(self) -> Self {
        let now = match self {
            Self::Fit => u32::MAX,
            Self::Seconds(n) => n,
        };
        Self::Seconds(STEPS.into_iter().rev().find(|step| *step < now).unwrap_or(STEPS[0]))
    }

    /// A longer time.
    #[must_use]
    pub fn wider(self) -> Self {
        let now = match self {
            Self::Fit => 0,
            Self::Seconds(n) => n,
        };
        Self::Seconds(STEPS.into_iter().find(|step| *step > now).unwrap_or(STEPS[STEPS.len() - 1]))
    }

    /// Seconds of a column in a chart of `width` columns, when `samples` are there.
    pub fn step(self, samples: usize, width: usize) -> usize {
        match self {
            Self::Seconds(n) => n as usize,
            Self::Fit => samples.div_ceil(width.max(1)).max(1),
        }
    }
}

/// One figure over time.
#[derive(Debug, Clone, Default)]
pub struct History {
    samples: VecDeque<u64>,
    /// Samples that came and went, so that steps keep their borders.
    gone: usize,
}

impl History {
    /// Adds what was counted in the last second.
    pub fn push(&mut self, sample: u64) {
        if self.samples.len() == KEPT {
            self.samples.pop_front();
            self.gone += 1;
        }
        self.samples.push_back(sample);
    }

    /// The last sample.
    pub fn last(&self) -> u64 {
        self.samples.back().copied().unwrap_or(0)
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The newest `width` columns of `step` seconds each, the oldest first: the mean of each.
    pub fn columns(&self, step: usize, width: usize) -> Vec<u64> {
        let step = step.max(1);
        let mut columns: VecDeque<(u64, u64)> = VecDeque::new();
        let mut current = usize::MAX;
        for (n, sample) in self.samples.iter().enumerate() {
            let column = (self.gone + n) / step;
            if column != current {
                current = column;
                columns.push_back((0, 0));
            }
            if let Some((sum, count)) = columns.back_mut() {
                *sum += sample;
                *count += 1;
            }
        }
        let skip = columns.len().saturating_sub(width);
        columns.iter().skip(skip).map(|(sum, count)| sum.div_ceil((*count).max(1))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_kept_and_columns_are_means() {
        let mut history = History::default();
        for n in 0..4_000 {
            history.push(n);
        }
        assert_eq!((history.len(), history.last()), (3_600, 3_999));
        assert_eq!(history.columns(1, 3), [3_997, 3_998, 3_999]);
        assert_eq!(history.columns(1_000, 9), [700, 1_500, 2_500, 3_500]);
        assert!(History::default().columns(1, 5).is_empty());
        assert_eq!(history.columns(0, 0), Vec::<u64>::new());
    }

    #[test]
    fn zooming_stops_at_both_ends() {
        let mut scale = Scale::Fit;
        for _ in 0..9 {
            scale = scale.closer();
        }
        assert_eq!(scale, Scale::Seconds(1));
        for _ in 0..9 {
            scale = scale.wider();
        }
        assert_eq!(scale, Scale::Seconds(60));
        assert_eq!(Scale::Fit.step(120, 60), 2);
        assert_eq!(Scale::Fit.step(0, 0), 1);
    }
}
