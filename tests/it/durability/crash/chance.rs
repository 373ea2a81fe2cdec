//! Randomness that can be had again: everything random comes from one seed, which is printed.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::time::Duration;

/// A row of random numbers.
pub(crate) struct Chance(u64);

impl Chance {
    /// From the environment's `SEED`, or a new one. A failed test shows what was printed.
    pub(crate) fn from_seed() -> Chance {
        let given = std::env::var("SEED").ok();
        let seed = given.map_or_else(
            || RandomState::new().build_hasher().finish(),
            |seed| seed.parse().expect("SEED is a number"),
        );
        println!("SEED={seed}");
        Chance(seed)
    }

    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// Returns the seed that repeats the rest of the row.
    pub(crate) fn seed(&self) -> u64 {
        self.0
    }

    /// A row of its own.
    pub(crate) fn fork(&mut self) -> Chance {
        Chance(self.next())
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// Below 2 to the power of `bits`, every order of magnitude as likely as any other.
    pub(crate) fn of_any_size(&mut self, bits: u32) -> u64 {
        let bits = self.below(u64::from(bits) + 1);
        self.below(1 << bits)
    }

    pub(crate) fn moment(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(longest.as_micros() as u64))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }
}

/// The longest content, in bytes.
pub(crate) const LONGEST: u64 = 4 << 20;

/// The bytes `from..to` of the content numbered `number`, of which nothing need be kept. All contents are windows on
/// one noise, so no two are alike at the same place.
pub(crate) fn content(number: u64, from: u64, to: u64) -> &'static [u8] {
    static NOISE: LazyLock<Vec<u8>> = LazyLock::new(noise);
    let start = mixed(number) % LONGEST;
    &NOISE[(start + from) as usize..(start + to) as usize]
}

fn noise() -> Vec<u8> {
    let words = (0..2 * LONGEST / 8).map(|word| mixed(!word).to_le_bytes());
    words.flatten().collect()
}

/// The mixing step of SplitMix64.
fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
