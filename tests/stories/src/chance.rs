//! Chance that can be replayed: one number gives the same choices again.

/// A row of numbers that a seed determines.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins a row.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The seed that `SYNCLINE_SEED` names, or one of the moment.
    pub fn seed() -> u64 {
        let named = std::env::var("SYNCLINE_SEED").ok().and_then(|seed| seed.parse().ok());
        named.unwrap_or_else(|| {
            let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            since.as_secs() ^ u64::from(since.subsec_nanos())
        })
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        // Splitmix: every seed is as good as every other.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end.max(1)
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When there is none.
    pub fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let at = self.below(choices.len() as u64) as usize;
        &choices[at]
    }
}
