//! Distributions.

use std::time::Duration;

use crate::ports::Dice;

/// Exponential with this mean, cut at ten times it (TPC-W clause 5.3.1.1).
pub fn exponential(dice: &mut Dice, mean: Duration) -> Duration {
    let factor = -(1.0 - dice.unit()).ln();
    mean.mul_f64(factor.min(10.0))
}

/// Log-normal with this median and mean.
pub fn log_normal(dice: &mut Dice, median: f64, mean: f64) -> f64 {
    let sigma = (2.0 * (mean / median).ln()).max(0.0).sqrt();
    let (a, b) = (1.0 - dice.unit(), dice.unit());
    let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
    median * (sigma * normal).exp()
}

/// Ranks by Zipf's law.
pub struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    /// Ranks 0 to `count` - 1, the first most often; `skew` 0 is uniform.
    pub fn new(count: usize, skew: f64) -> Self {
        let mut sum = 0.0;
        let weight = |rank: usize| 1.0 / ((rank + 1) as f64).powf(skew);
        let cumulative = (0..count)
            .map(|rank| {
                sum += weight(rank);
                sum
            })
            .collect();
        Self { cumulative }
    }

    /// A rank; 0 if there are none.
    pub fn draw(&self, dice: &mut Dice) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(0.0);
        let at = dice.unit() * total;
        self.cumulative
            .partition_point(|sum| *sum <= at)
            .min(self.cumulative.len().saturating_sub(1))
    }
}

/// An index, by weight; none if all weights are 0.
pub fn weighted(dice: &mut Dice, weights: &[f64]) -> Option<usize> {
    let total: f64 = weights.iter().sum();
    let mut at = dice.unit() * total;
    for (index, weight) in weights.iter().enumerate() {
        if at < *weight {
            return Some(index);
        }
        at -= weight;
    }
    weights.iter().position(|weight| *weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Randomness;

    fn dice() -> Dice {
        Randomness::seeded(1).stream("chance")
    }

    #[test]
    fn samples_have_the_shape_they_should() {
        let mut dice = dice();
        let n = 20_000;
        let mean = Duration::from_secs(7);
        let sum: Duration = (0..n).map(|_| exponential(&mut dice, mean)).sum();
        let found = sum.as_secs_f64() / f64::from(n);
        assert!((6.8..7.2).contains(&found), "{found}");
        let mut pages: Vec<f64> = (0..n).map(|_| log_normal(&mut dice, 8.0, 16.0)).collect();
        pages.sort_by(f64::total_cmp);
        let median = pages[pages.len() / 2];
        assert!((7.5..8.5).contains(&median), "{median}");
    }

    #[test]
    fn zipf_prefers_low_ranks_and_stays_in_range() {
        let (mut dice, zipf) = (dice(), Zipf::new(100, 0.99));
        let mut seen = vec![0u32; 100];
        (0..50_000).for_each(|_| seen[zipf.draw(&mut dice)] += 1);
        assert!(seen[0] > seen[9] * 6 && seen[9] > seen[99], "{seen:?}");
        assert_eq!(Zipf::new(0, 1.0).draw(&mut dice), 0);
    }

    #[test]
    fn weights_decide_and_zero_is_never_drawn() {
        let mut dice = dice();
        let mut seen = [0u32; 3];
        (0..9_000).for_each(|_| seen[weighted(&mut dice, &[2.0, 0.0, 1.0]).unwrap()] += 1);
        assert!(seen[1] == 0 && seen[0] > seen[2], "{seen:?}");
        assert_eq!(weighted(&mut dice, &[0.0]), None);
    }
}
