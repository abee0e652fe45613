//! How long recent answers were: what a soft limit reserves for the next one.
//!
//! A histogram over powers of the fourth root of two whose counts are halved now and then, so that what was long ago
//! weighs little. An estimate may be wrong either way; it is put right when the answer is there.

/// Four to an octave, up to 2¹⁶ tokens; longer answers are in the last.
const BUCKETS: usize = 64;
/// Answers until all counts are halved.
const MEMORY: u16 = 512;
/// The share of answers that an estimate covers, in tenths.
const QUANTILE_TENTHS: u32 = 9;

/// Lengths of recent answers.
#[derive(Clone, Debug)]
pub struct RecentOutputs {
    counts: [u16; BUCKETS],
    total: u16,
}

impl Default for RecentOutputs {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0 }
    }
}

impl RecentOutputs {
    /// An answer was so long.
    pub fn note(&mut self, tokens: u64) {
        if self.total >= MEMORY {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
        self.counts[bucket(tokens)] += 1;
        self.total += 1;
    }

    /// A length that nine in ten recent answers kept to, at most a fifth above theirs. `None`: nothing is known.
    #[must_use]
    pub fn estimate(&self) -> Option<u64> {
        let covered = (u32::from(self.total) * QUANTILE_TENTHS).div_ceil(10);
        let mut sum = 0;
        let at = self.counts.iter().position(|count| {
            sum += u32::from(*count);
            sum >= covered
        })?;
        (self.total > 0).then(|| upper_edge(at))
    }
}

/// Which bucket a length is in.
fn bucket(tokens: u64) -> usize {
    (0..BUCKETS - 1).find(|at| tokens <= upper_edge(*at)).unwrap_or(BUCKETS - 1)
}

/// The longest length of a bucket: 2^((at + 1) ÷ 4), rounded up.
const fn upper_edge(at: usize) -> u64 {
    // 2¹⁶ times the powers of the fourth root of two.
    const ROOTS: [u64; 4] = [65_536, 77_936, 92_682, 110_218];
    let step = at + 1;
    (ROOTS[step % 4] << (step / 4)).div_ceil(65_536)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn edges_ascend_and_end_at_65536_tokens() {
        let edges: Vec<u64> = (0..BUCKETS).map(upper_edge).collect();
        assert!(edges.is_sorted());
        assert_eq!([edges[3], edges[7], edges[BUCKETS - 1]], [2, 4, 65_536]);
    }

    #[test]
    fn forgets_what_was_long_ago() {
        let mut outputs = RecentOutputs::default();
        assert_eq!(outputs.estimate(), None);
        (0..1000).for_each(|_| outputs.note(10_000));
        (0..3000).for_each(|_| outputs.note(20));
        assert!((20..=24).contains(&outputs.estimate().expect("known")));
        outputs.note(u64::MAX);
        assert!((20..=24).contains(&outputs.estimate().expect("known")));
    }

    proptest! {
        #[test]
        fn nine_in_ten_are_no_longer(lengths in proptest::collection::vec(0_u64..60_000, 1..400)) {
            let mut outputs = RecentOutputs::default();
            for length in &lengths {
                outputs.note(*length);
            }
            let estimate = outputs.estimate().expect("known");
            let covered = lengths.iter().filter(|length| **length <= estimate).count();
            prop_assert!(covered * 10 >= lengths.len() * 9);
            let mut sorted = lengths.clone();
            sorted.sort_unstable();
            let quantile = sorted[(lengths.len() * 9).div_ceil(10) - 1];
            prop_assert!(estimate <= quantile + quantile / 5 + 2, "{estimate} of {quantile}");
        }
    }
}
