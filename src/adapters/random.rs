//! Randomness of the operating system, as a seed.

use rand::TryRng;

use crate::ports::Randomness;

/// A seed that nobody can guess or repeat.
pub fn system_randomness() -> Randomness {
    let mut seed = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut seed)
        .expect("the operating system gives random bytes or nothing on this machine works");
    Randomness::from_bytes(seed)
}
