//! Counters and fixed-bucket histograms that one core writes and any thread reads.
//!
//! A core is the only writer of its own, so a relaxed load and store replace the locked read-modify-write. Buckets are
//! fixed because Prometheus' are; those of model latencies are the ones that OpenTelemetry's `gen_ai` metrics advise.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that only one thread at a time adds to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds. Wraps around at 2⁶⁴, which readers of counters take for a restart.
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// The count now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;

/// Upper bounds, in ns, for what the gateway itself takes: 0.5 µs to 50 ms.
pub const OVERHEAD_NS: [u64; 18] = [
    US / 2,
    US,
    2 * US,
    3 * US,
    5 * US,
    7 * US,
    10 * US,
    15 * US,
    20 * US,
    30 * US,
    50 * US,
    100 * US,
    200 * US,
    500 * US,
    MS,
    5 * MS,
    10 * MS,
    50 * MS,
];

/// Upper bounds, in ns, for whole requests: `gen_ai.server.request.duration`'s.
pub const DURATION_NS: [u64; 14] = {
    let mut bounds = [10 * MS; 14];
    let mut index = 1;
    while index < bounds.len() {
        bounds[index] = bounds[index - 1] * 2;
        index += 1;
    }
    bounds
};

/// Upper bounds, in ns, to the first content: `gen_ai.server.time_to_first_token`'s.
pub const FIRST_CONTENT_NS: [u64; 16] = [
    MS,
    5 * MS,
    10 * MS,
    20 * MS,
    40 * MS,
    60 * MS,
    80 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    750 * MS,
    1_000 * MS,
    2_500 * MS,
    5_000 * MS,
    7_500 * MS,
    10_000 * MS,
];

/// Upper bounds, in ns, for one token: `gen_ai.server.time_per_output_token`'s.
pub const PER_TOKEN_NS: [u64; 13] = [
    10 * MS,
    25 * MS,
    50 * MS,
    75 * MS,
    100 * MS,
    150 * MS,
    200 * MS,
    300 * MS,
    400 * MS,
    500 * MS,
    750 * MS,
    1_000 * MS,
    2_500 * MS,
];

/// How many observations fell into each bucket, and their sum.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    bounds_ns: &'static [u64; N],
    buckets: [Counter; N],
    above: Counter,
    sum_ns: Counter,
}

impl<const N: usize> Histogram<N> {
    /// An empty histogram. `bounds_ns`: inclusive upper bounds, ascending.
    #[must_use]
    pub fn new(bounds_ns: &'static [u64; N]) -> Self {
        Self {
            bounds_ns,
            buckets: std::array::from_fn(|_| Counter::default()),
            above: Counter::default(),
            sum_ns: Counter::default(),
        }
    }

    /// Counts one observation.
    pub fn observe(&self, value_ns: u64) {
        let index = self.bounds_ns.partition_point(|bound| *bound < value_ns);
        self.buckets.get(index).unwrap_or(&self.above).add(1);
        self.sum_ns.add(value_ns);
    }

    /// Adds what it holds to `total`, which has the same bounds or none yet.
    pub fn merge_into(&self, total: &mut Distribution) {
        if total.counts.is_empty() {
            total.bounds_ns = self.bounds_ns;
            total.counts = vec![0; N + 1];
        }
        let counters = self.buckets.iter().chain([&self.above]);
        for (count, counter) in total.counts.iter_mut().zip(counters) {
            *count += counter.get();
        }
        total.sum_ns += u128::from(self.sum_ns.get());
    }
}

/// Histograms of several cores, added up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Distribution {
    /// Inclusive upper bounds, ascending.
    pub bounds_ns: &'static [u64],
    /// One per bound, and the rest above the last.
    pub counts: Vec<u64>,
    /// The sum of all observations.
    pub sum_ns: u128,
}

impl Distribution {
    /// All observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bucket `(over, up to)`, in ns, that holds the quantile; `up to` is `None` above the last bound. `None`
    /// when nothing was observed. `per_mille`: 500 is the median.
    #[must_use]
    pub fn quantile_ns(&self, per_mille: u64) -> Option<(u64, Option<u64>)> {
        let count = self.count();
        let rank = (u128::from(count) * u128::from(per_mille.min(1_000))).div_ceil(1_000).max(1);
        let mut seen = 0;
        let index = self.counts.iter().position(|bucket| {
            seen += u128::from(*bucket);
            seen >= rank
        })?;
        let over = index.checked_sub(1).map_or(0, |below| self.bounds_ns[below]);
        Some((over, self.bounds_ns.get(index).copied()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(values: &[u64]) -> Histogram<18> {
        let histogram = Histogram::new(&OVERHEAD_NS);
        for value in values {
            histogram.observe(*value);
        }
        histogram
    }

    fn merged(histograms: &[Histogram<18>]) -> Distribution {
        let mut total = Distribution::default();
        for histogram in histograms {
            histogram.merge_into(&mut total);
        }
        total
    }

    /// Values near the bounds, where mistakes are made, and anywhere.
    fn value_ns() -> impl Strategy<Value = u64> {
        let near = (0..OVERHEAD_NS.len(), 0_u64..3).prop_map(|(index, step)| OVERHEAD_NS[index] + step - 1);
        prop_oneof![near, 0_u64..100 * MS]
    }

    proptest! {
        #[test]
        fn merging_is_adding_up(cores in prop::collection::vec(prop::collection::vec(value_ns(), 0..50), 1..5)) {
            let by_core: Vec<_> = cores.iter().map(|values| filled(values)).collect();
            let all = filled(&cores.concat());
            prop_assert_eq!(merged(&by_core), merged(&[all]));
        }

        #[test]
        fn every_value_is_in_the_first_bucket_that_holds_it(value in value_ns()) {
            let total = merged(&[filled(&[value])]);
            let oracle = OVERHEAD_NS.iter().position(|bound| value <= *bound).unwrap_or(OVERHEAD_NS.len());
            prop_assert_eq!(total.counts.iter().position(|count| *count == 1), Some(oracle));
            prop_assert_eq!((total.count(), total.sum_ns), (1, u128::from(value)));
        }

        #[test]
        fn quantiles_lie_in_their_bucket(
            mut values in prop::collection::vec(value_ns(), 1..100),
            per_mille in 0_u64..=1_000,
        ) {
            let (over, up_to) = merged(&[filled(&values)]).quantile_ns(per_mille).expect("not empty");
            values.sort_unstable();
            let rank = (values.len() * usize::try_from(per_mille).expect("small")).div_ceil(1_000).max(1);
            let exact = values[rank - 1];
            prop_assert!(over < exact || over == 0);
            prop_assert!(up_to.is_none_or(|bound| exact <= bound), "{exact} in {over}..{up_to:?}");
        }
    }

    #[test]
    fn bounds_ascend() {
        fn check(bounds: &[u64]) {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
        }
        check(&OVERHEAD_NS);
        check(&DURATION_NS);
        check(&FIRST_CONTENT_NS);
        check(&PER_TOKEN_NS);
        assert_eq!(DURATION_NS[13], 81_920 * MS);
        assert_eq!(Distribution::default().quantile_ns(500), None);
    }
}
