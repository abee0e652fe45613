use proptest::prelude::*;

use super::*;

const SECOND_NS: u64 = 1_000_000_000;

/// The law, by looking at every window: all admissions since any of them, against burst and rate.
struct Ledger {
    admitted: Vec<(u64, u64)>,
    /// From when on which rate held, the oldest first.
    rates: Vec<(u64, Rate)>,
}

impl Ledger {
    fn new(rate: Rate) -> Self {
        Self { admitted: Vec::new(), rates: vec![(0, rate)] }
    }

    /// Whether some window that ends at `now_ns` holds more than it may, by how many ticks at most.
    fn worst(&self, now_ns: u64) -> i128 {
        let mut sum = 0;
        let mut worst = 0;
        for (at, cost) in self.admitted.iter().rev() {
            sum += self.rates[0].1.ticks(*cost);
            worst = worst.max(sum - self.drained(*at, now_ns));
        }
        worst
    }

    fn drained(&self, from_ns: u64, to_ns: u64) -> i128 {
        let ends = self.rates[1..].iter().map(|(since, _)| *since).chain([u64::MAX]);
        let pieces = self.rates.iter().zip(ends).map(|((since, rate), end)| {
            let length_ns = end.min(to_ns).saturating_sub((*since).max(from_ns));
            i128::from(rate.units) * i128::from(length_ns)
        });
        pieces.sum()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Charge(u64),
    Open(u64),
    Settle(prop::sample::Index, u64),
    SetRate(u64, u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3 * SECOND_NS).prop_map(Step::Wait),
        (0..12_u64).prop_map(Step::Charge),
        (0..12_u64).prop_map(Step::Open),
        (any::<prop::sample::Index>(), 0..20_u64).prop_map(|(which, used)| Step::Settle(which, used)),
        (1..20_u64, 1..12_u64).prop_map(|(units, burst)| Step::SetRate(units, burst)),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    /// The level is what the worst window holds beyond its rate, however charges changed: nothing is let through that
    /// breaks the law, and nothing is held back that would keep it. A rate that is changed drains from then on.
    #[test]
    fn the_level_is_that_of_the_worst_window(units in 1..20_u64, burst in 1..12_u64, steps in steps()) {
        let rate = Rate::new(units, 7 * SECOND_NS, burst).unwrap();
        let (mut bucket, mut ledger, mut open, mut now_ns) = (Bucket::new(rate), Ledger::new(rate), Vec::new(), 5);
        for step in steps {
            match step {
                Step::Wait(wait_ns) => now_ns += wait_ns,
                Step::Charge(cost) => {
                    if bucket.check(cost, now_ns).is_ok() {
                        bucket.charge(cost, now_ns);
                        ledger.admitted.push((now_ns, cost));
                    }
                }
                Step::Open(cost) => {
                    if bucket.check(cost, now_ns).is_ok() {
                        open.push((bucket.charge_open(cost, now_ns), ledger.admitted.len()));
                        ledger.admitted.push((now_ns, cost));
                    }
                }
                Step::Settle(which, used) => {
                    if !open.is_empty() {
                        let (id, entry) = open.swap_remove(which.index(open.len()));
                        prop_assert!(bucket.settle(id, Some(used), now_ns));
                        prop_assert!(!bucket.settle(id, Some(0), now_ns), "settled twice");
                        ledger.admitted[entry].1 = used;
                    }
                }
                Step::SetRate(units, burst) => {
                    let rate = Rate::new(units, 7 * SECOND_NS, burst).unwrap();
                    bucket.set_rate(rate, now_ns);
                    ledger.rates.push((now_ns, rate));
                }
            }
            prop_assert_eq!(bucket.level(now_ns), ledger.worst(now_ns));
            prop_assert_eq!(bucket.is_idle(now_ns), open.is_empty() && ledger.worst(now_ns) == 0);
            let full_after_ns = bucket.full_after_ns(now_ns);
            prop_assert_eq!(bucket.clone().level(now_ns + full_after_ns), 0);
            prop_assert!(full_after_ns == 0 || bucket.clone().level(now_ns + full_after_ns - 1) > 0);
        }
    }

    /// Whoever waits as long as told gets in, and not a nanosecond earlier.
    #[test]
    fn the_wait_is_exact(units in 1..1_000_000_u64, costs in proptest::collection::vec(1..50_u64, 1..30)) {
        let rate = Rate::new(units, 60 * SECOND_NS, 49).unwrap();
        let (mut bucket, mut now_ns) = (Bucket::new(rate), SECOND_NS);
        for cost in costs {
            if let Err(denied) = bucket.check(cost, now_ns) {
                let wait_ns = denied.retry_after_ns.unwrap();
                prop_assert!(bucket.clone().check(cost, now_ns + wait_ns - 1).is_err());
                now_ns += wait_ns;
                prop_assert!(bucket.check(cost, now_ns).is_ok());
            }
            bucket.charge(cost, now_ns);
        }
    }
}

#[test]
fn a_refund_after_the_bucket_filled_up_is_no_second_burst() {
    let mut bucket = Bucket::new(Rate::new(1, SECOND_NS, 100).unwrap());
    let first = bucket.charge_open(100, 0);
    bucket.charge(50, 50 * SECOND_NS);
    assert!(bucket.settle(first, Some(0), 50 * SECOND_NS));
    assert_eq!(bucket.available(50 * SECOND_NS), 50, "50 of the 100 went at this very moment");
}

#[test]
fn a_clock_that_goes_back_gives_nothing() {
    let mut bucket = Bucket::new(Rate::per_minute(60).unwrap());
    bucket.charge(10, 100 * SECOND_NS);
    assert!(bucket.check(1, 0).is_err());
    assert_eq!(bucket.available(101 * SECOND_NS), 1);
}

#[test]
fn extremes_neither_overflow_nor_let_more_through() {
    let mut bucket = Bucket::new(Rate::new(UNITS_MAX, UNITS_MAX, UNITS_MAX).unwrap());
    for _ in 0..100 {
        bucket.charge(UNITS_MAX, u64::MAX);
    }
    let denied = bucket.check(UNITS_MAX, u64::MAX).unwrap_err();
    assert!(denied.retry_after_ns.unwrap() > UNITS_MAX);
    assert_eq!(Bucket::new(Rate::per_minute(1).unwrap()).check(2, 0), Err(Denied { retry_after_ns: None }));
    assert_eq!(Rate::per_minute(0), None);
    assert_eq!(Rate::per_minute(UNITS_MAX + 1), None);
}
