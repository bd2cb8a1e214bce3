//! Randomness as named streams: one seed, one independent generator per name, so that a new
//! component shifts nobody else's luck.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::{CartId, EventId, Timestamp};

/// A seed from which streams are made.
#[derive(Debug, Clone)]
pub struct Randomness {
    seed: [u8; 32],
}

impl Randomness {
    /// From a number, for runs that can be repeated.
    pub fn seeded(seed: u64) -> Self {
        Self { seed: Sha256::digest(seed.to_be_bytes()).into() }
    }

    /// From 32 random bytes, for runs that shall not repeat.
    pub const fn from_bytes(seed: [u8; 32]) -> Self {
        Self { seed }
    }

    /// The stream called `name`: the same name gives the same numbers.
    pub fn stream(&self, name: &str) -> Dice {
        let seed: [u8; 32] =
            Sha256::new().chain_update(self.seed).chain_update(name).finalize().into();
        Dice(ChaCha8Rng::from_seed(seed))
    }
}

/// A stream of random choices.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The generator itself, for libraries that want one.
    pub fn rng(&mut self) -> &mut impl Rng {
        &mut self.0
    }

    /// A generator of its own, whose seed is drawn from this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// A whole number below `bound` (which must not be 0).
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.random_range(0..bound)
    }

    /// A number in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        self.0.random()
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// One of `items`, none if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.below(items.len() as u64) as usize])
    }

    /// A new event id: UUIDv7 of `now`.
    pub fn event_id(&mut self, now: Timestamp) -> EventId {
        EventId(self.uuid_v7(now))
    }

    /// A new cart id: UUIDv7 of `now`.
    pub fn cart_id(&mut self, now: Timestamp) -> CartId {
        CartId(self.uuid_v7(now))
    }

    fn uuid_v7(&mut self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.0.fill_bytes(&mut random);
        let ms = u64::try_from(now.millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_by_name_and_differ_between_names_and_seeds() {
        let roll = |seed, name: &str| {
            let mut dice = Randomness::seeded(seed).stream(name);
            [dice.below(1 << 40), dice.below(1 << 40)]
        };
        assert_eq!(roll(1, "a"), roll(1, "a"));
        assert_ne!(roll(1, "a"), roll(1, "b"));
        assert_ne!(roll(1, "a"), roll(2, "a"));
    }

    #[test]
    fn ids_of_later_times_sort_later() {
        let mut dice = Randomness::seeded(1).stream("ids");
        let early = dice.event_id(Timestamp::from_millis(1_000));
        assert!(early < dice.event_id(Timestamp::from_millis(1_001)));
        assert_eq!(early.0.get_version_num(), 7);
    }
}
