use proptest::prelude::*;

use super::*;

/// 30 parts of 7 ns: no slack between them and the window.
const WINDOW_NS: u64 = 210;
const START_NS: u64 = 1_000_003;

/// All there was, kept for good: when, how much, and whether it may still change.
#[derive(Default)]
struct Log(Vec<(u64, u64, Option<HoldId>)>);

impl Log {
    /// What counts at a time: used, and reserved.
    fn counting(&self, now_ns: u64) -> (u128, u128) {
        let part_ns = WINDOW_NS.div_ceil(30);
        let is_counting = |at_ns: u64| at_ns / part_ns + 30 >= now_ns / part_ns;
        let of = |is_open: bool| {
            let entries = self.0.iter().filter(|(at, _, hold)| is_counting(*at) && hold.is_some() == is_open);
            entries.map(|(_, amount, _)| u128::from(*amount)).sum()
        };
        (of(false), of(true))
    }

    /// The most that any window holds.
    fn most(&self) -> u64 {
        let in_window = |end: u64| self.0.iter().filter(move |(at, ..)| *at <= end && end - *at < WINDOW_NS);
        self.0.iter().map(|(end, ..)| in_window(*end).map(|(_, amount, _)| amount).sum()).max().unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Back(u64),
    Reserve(u64),
    Settle(prop::sample::Index, Option<u64>),
    Add(u64, u64),
    SetAmount(u64),
}

fn steps(more: u64) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..60_u64).prop_map(Step::Wait),
        1 => (0..300_u64).prop_map(Step::Back),
        6 => (0..12_u64).prop_map(Step::Reserve),
        4 => (any::<prop::sample::Index>(), prop::option::of(0..12 + more)).prop_map(|(which, used)| Step::Settle(which, used)),
        more.min(1).try_into().unwrap_or(0) => (0..10_u64, 0..400_u64).prop_map(|(used, age)| Step::Add(used, age)),
        more.min(1).try_into().unwrap_or(0) => (0..40_u64).prop_map(Step::SetAmount),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    /// Every answer is that of the log, whatever is reserved, settled late, early, twice, above its cost, replayed, or
    /// limited anew; and a clock that goes back stands still.
    #[test]
    fn every_answer_is_that_of_the_log(steps in steps(20)) {
        let (mut quota, mut log) = (Sliding::new(WINDOW_NS, START_NS), Log::default());
        let (mut now_ns, mut latest_ns, mut amount) = (START_NS, START_NS, 30);
        for step in steps {
            match step {
                Step::Wait(ns) => now_ns += ns,
                Step::Back(ns) => now_ns -= ns.min(now_ns - START_NS),
                Step::SetAmount(new) => amount = new,
                Step::Reserve(cost) => {
                    latest_ns = latest_ns.max(now_ns);
                    let (used, held) = log.counting(latest_ns);
                    let fits = used + held + u128::from(cost) <= u128::from(amount);
                    let answer = quota.check(cost, amount, now_ns);
                    prop_assert_eq!(answer.is_ok(), fits);
                    match answer {
                        Ok(()) => log.0.push((latest_ns, cost, Some(quota.hold(cost, now_ns)))),
                        Err(Refusal::TooLarge) => prop_assert!(cost > amount),
                        Err(Refusal::Reserved) => prop_assert!(used + u128::from(cost) <= u128::from(amount)),
                        Err(Refusal::Wait { retry_after_ns }) => {
                            let fits_at = |at_ns| log.counting(at_ns).0 + u128::from(cost) <= u128::from(amount);
                            prop_assert!(fits_at(now_ns + retry_after_ns) && !fits_at(now_ns + retry_after_ns - 1));
                        }
                        Err(other) => prop_assert!(false, "{other:?} where a window is over in no time"),
                    }
                }
                Step::Settle(which, used) => {
                    let open: Vec<_> = (0..log.0.len()).filter(|index| log.0[*index].2.is_some()).collect();
                    if !open.is_empty() {
                        let entry = &mut log.0[open[which.index(open.len())]];
                        let id = entry.2.take().unwrap();
                        entry.1 = used.unwrap_or(entry.1);
                        prop_assert!(quota.settle(id, used));
                        prop_assert!(!quota.settle(id, Some(1000)), "settled twice");
                    }
                }
                Step::Add(used, age_ns) => {
                    let at_ns = now_ns.saturating_sub(age_ns);
                    latest_ns = latest_ns.max(at_ns);
                    quota.add(used, at_ns);
                    log.0.push((at_ns, used, None));
                }
            }
            latest_ns = latest_ns.max(now_ns);
            let standing = quota.standing(amount, now_ns);
            let (used, held) = log.counting(latest_ns);
            prop_assert_eq!(u128::from(standing.used), used);
            prop_assert_eq!(u128::from(standing.reserved), held);
            prop_assert_eq!(u128::from(standing.remaining), u128::from(amount).saturating_sub(used + held));
            let is_open = log.0.iter().any(|(.., hold)| hold.is_some());
            prop_assert_eq!(quota.is_idle(now_ns), used == 0 && !is_open);
        }
    }

    /// The law itself: no window of that length, wherever it begins, holds more than the amount, as long as nobody uses
    /// more than was reserved.
    #[test]
    fn no_window_holds_more_than_the_amount(steps in steps(0)) {
        let (mut quota, mut log, mut now_ns) = (Sliding::new(WINDOW_NS, START_NS), Log::default(), START_NS);
        for step in steps {
            match step {
                Step::Wait(ns) => now_ns += ns,
                Step::Reserve(cost) if quota.check(cost, 30, now_ns).is_ok() => {
                    log.0.push((now_ns, cost, Some(quota.hold(cost, now_ns))));
                }
                Step::Settle(which, used) if !log.0.is_empty() => {
                    let index = which.index(log.0.len());
                    let (_, amount, hold) = &mut log.0[index];
                    if let Some(id) = hold.take() {
                        let used = used.map(|used| used.min(*amount));
                        *amount = used.unwrap_or(*amount);
                        quota.settle(id, used);
                    }
                }
                _ => {}
            }
            prop_assert!(log.most() <= 30);
        }
    }
}

#[test]
fn nearly_all_of_it_can_be_used() {
    let mut quota = Sliding::new(3_600_000_000_000, 0);
    let used = (0..360_000_u64).filter(|tick| {
        let now_ns = tick * 1_000_000_000;
        let fits = quota.check(1, 1000, now_ns).is_ok();
        if fits {
            let id = quota.hold(1, now_ns);
            quota.settle(id, None);
        }
        fits
    });
    let used = used.count();
    assert!((96_500..=100_000).contains(&used), "{used} of 100,000 in 100 hours");
}

#[test]
fn a_long_wait_is_a_quota_that_is_spent() {
    let hour_ns = 3_600_000_000_000;
    let mut quota = Sliding::new(hour_ns, 0);
    quota.add(10, 0);
    assert_eq!(quota.check(1, 10, hour_ns), Err(Refusal::Wait { retry_after_ns: WAIT_MAX_NS }));
    assert_eq!(quota.check(1, 10, hour_ns - 1), Err(Refusal::Spent { reset_after_s: 121 }));
    assert_eq!(quota.standing(10, 0).reset_after_s, 3720);
}

#[test]
fn extremes_neither_overflow_nor_let_more_through() {
    let mut quota = Sliding::new(u64::MAX, u64::MAX);
    for _ in 0..3 {
        let id = quota.hold(u64::MAX, u64::MAX);
        quota.hold(u64::MAX, u64::MAX);
        assert!(quota.settle(id, Some(u64::MAX)));
    }
    assert!(quota.check(1, u64::MAX, u64::MAX).is_err());
    let mut fine = Sliding::new(1, u64::MAX);
    fine.add(u64::MAX, u64::MAX);
    fine.add(1, u64::MAX);
    assert!(fine.check(1, u64::MAX, u64::MAX).is_err());
    assert_eq!(fine.check(0, u64::MAX, 0), Ok(()));
}
