use foldhash::{HashMap, HashMapExt};
use proptest::prelude::*;

use super::*;
use crate::tables::limits::{LimitWhen, Period};

const NOW: Now = Now { steady_ns: 1_800_000_000_000_000_000, unix_s: 1_800_000_000 };

fn rule(resource: Resource, window: Window) -> LimitRule {
    LimitRule {
        name: "rule".into(),
        per: Vec::new(),
        when: LimitWhen::default(),
        resource,
        amount: 100,
        key_amounts: HashMap::new(),
        window,
        is_hard: true,
        warn_permille: None,
        downgrade: None,
    }
}

/// Each kind, with how long it remembers.
fn kinds() -> Vec<(MeterSpec, u64)> {
    let calendar = Window::Calendar { period: Period::Day, time_zone: "UTC".into() };
    [
        (rule(Resource::Tokens, Window::Rate { period_ms: 60_000, burst: 100 }), 60),
        (rule(Resource::Tokens, Window::Sliding { window_ms: 3_600_000 }), 3_720),
        (rule(Resource::Usd, calendar), 86_400),
        (rule(Resource::Concurrent, Window::None), 0),
    ]
    .map(|(rule, memory_s)| (MeterSpec::prepare(&rule, 7).unwrap(), memory_s))
    .into()
}

const fn allowance(amount: u64) -> Allowance {
    Allowance { amount, burst: amount }
}

fn later(now: Now, seconds: u64) -> Now {
    Now { steady_ns: now.steady_ns + seconds * 1_000_000_000, unix_s: now.unix_s + seconds.cast_signed() }
}

proptest! {
    /// Nothing is left of reservations that used nothing; nothing of those that used something, once they are forgotten;
    /// and a meter that says it is idle answers like a new one.
    #[test]
    fn nothing_leaks(costs in proptest::collection::vec((0..40_u64, 0..3_u64, 0..5_000_u64), 1..40)) {
        for (spec, memory_s) in kinds() {
            for share in 0..3 {
                let (mut meter, mut open, mut now) = (Meter::new(&spec, allowance(100), NOW), Vec::new(), NOW);
                for (cost, settled, wait_s) in &costs {
                    if meter.check(*cost, allowance(100), now).is_ok() {
                        open.push((*cost, meter.hold(*cost, now)));
                    }
                    now = later(now, *wait_s);
                    for (cost, id) in open.drain(..open.len().min(usize::try_from(*settled).unwrap())) {
                        prop_assert!(!meter.is_idle(now), "a reservation is open");
                        prop_assert!(meter.settle(id, Some(cost * share), now));
                        prop_assert!(!meter.settle(id, Some(0), now));
                    }
                }
                for (cost, id) in open {
                    meter.settle(id, Some(cost * share), now);
                }
                if share == 0 {
                    prop_assert!(meter.is_idle(now));
                }
                let debt_s = costs.iter().map(|(cost, ..)| cost * share).sum::<u64>();
                now = later(now, memory_s + debt_s);
                prop_assert!(meter.is_idle(now));
                let mut new = Meter::new(&spec, allowance(100), now);
                prop_assert_eq!(meter.standing(allowance(100), now), new.standing(allowance(100), now));
                prop_assert_eq!(meter.check(100, allowance(100), now), Ok(()));
            }
        }
    }

    /// What was used stays used when the amount changes, up or down and back.
    #[test]
    fn a_changed_amount_keeps_what_was_used(used in 0..100_u64, amounts in proptest::collection::vec(0..300_u64, 1..8)) {
        for (spec, _) in kinds() {
            let mut meter = Meter::new(&spec, allowance(100), NOW);
            let id = meter.hold(used, NOW);
            if spec.resource != Resource::Concurrent {
                meter.settle(id, None, NOW);
            }
            for amount in amounts.iter().copied().chain([100]) {
                let left = amount.saturating_sub(used);
                prop_assert_eq!(meter.standing(allowance(amount), NOW).remaining, left);
                prop_assert_eq!(meter.check(left, allowance(amount), NOW).is_ok(), amount >= used);
                prop_assert!(meter.check(left + 1, allowance(amount), NOW).is_err());
            }
        }
    }

    /// Replaying what was used gives the same standing, in order; and not less room out of order, as long as it counts.
    #[test]
    fn a_replay_gives_the_same_standing(uses in proptest::collection::vec((1..9_u64, 0..1_500_u64), 1..30), turn in any::<bool>()) {
        for (spec, _) in kinds() {
            let (mut live, mut now, mut events) = (Meter::new(&spec, allowance(100), NOW), NOW, Vec::new());
            for (used, wait_s) in &uses {
                now = later(now, *wait_s);
                let id = live.hold(*used, now);
                live.settle(id, None, now);
                events.push((*used, now));
            }
            let mut replayed = Meter::new(&spec, allowance(100), NOW);
            if turn {
                replayed.check(0, allowance(100), now).unwrap();
                events.reverse();
            }
            for (used, at) in events {
                replayed.add(used, at);
            }
            let (expected, standing) = (live.standing(allowance(100), now), replayed.standing(allowance(100), now));
            match spec.kind {
                Kind::Concurrent => prop_assert_eq!(standing.remaining, 100),
                Kind::Rate { .. } if turn => prop_assert!(standing.remaining <= expected.remaining),
                _ => prop_assert_eq!(standing, expected),
            }
        }
    }

    /// Out of any numbers comes an answer, and a reservation given back leaves no trace.
    #[test]
    fn no_number_breaks_it(numbers in proptest::collection::vec(any::<(u64, u64, u64)>(), 1..20), unix_s in any::<i64>()) {
        for (spec, _) in kinds() {
            let mut meter = Meter::new(&spec, allowance(100), NOW);
            for (cost, amount, steady_ns) in &numbers {
                let now = Now { steady_ns: *steady_ns, unix_s };
                meter.check(1, allowance(*amount), now).ok();
                let before = meter.standing(allowance(*amount), now);
                let id = meter.hold(*cost, now);
                meter.settle(id, Some(0), now);
                prop_assert_eq!(meter.standing(allowance(*amount), now), before);
                let id = meter.hold(*cost, now);
                meter.settle(id, Some(u64::MAX), now);
                meter.add(*cost, now);
                let standing = meter.standing(allowance(*amount), now);
                prop_assert!(standing.remaining <= *amount);
            }
        }
    }
}

#[test]
fn each_kind_refuses_in_its_own_words() {
    let [mut rate, mut sliding, mut calendar, mut concurrent]: [Meter; 4] =
        kinds().iter().map(|(spec, _)| Meter::new(spec, allowance(100), NOW)).collect::<Vec<_>>().try_into().unwrap();
    for meter in [&mut rate, &mut sliding, &mut calendar, &mut concurrent] {
        assert_eq!(meter.check(101, allowance(100), NOW), Err(Refusal::TooLarge));
        assert_eq!(meter.check(1, allowance(0), NOW), Err(Refusal::TooLarge));
        assert_eq!(meter.check(0, allowance(0), NOW), Ok(()));
        meter.hold(60, NOW);
    }
    assert_eq!(rate.check(50, allowance(100), NOW), Err(Refusal::Wait { retry_after_ns: 6_000_000_000 }));
    assert_eq!(sliding.check(50, allowance(100), NOW), Err(Refusal::Reserved));
    assert_eq!(calendar.check(50, allowance(100), NOW), Err(Refusal::Reserved));
    assert_eq!(concurrent.check(50, allowance(100), NOW), Err(Refusal::Concurrent));
    sliding.add(60, NOW);
    calendar.add(60, NOW);
    assert_eq!(sliding.check(50, allowance(100), NOW), Err(Refusal::Spent { reset_after_s: 3_720 }));
    assert_eq!(calendar.check(50, allowance(100), NOW), Err(Refusal::Spent { reset_after_s: 57_600 }));
}

#[test]
fn refusals_are_told_in_the_order_of_what_they_say() {
    let spent = Refusal::Spent { reset_after_s: 1 };
    let (wait, longer) = (Refusal::Wait { retry_after_ns: 5 }, Refusal::Wait { retry_after_ns: 6 });
    let order = [Refusal::Concurrent, Refusal::Reserved, wait, longer, spent, Refusal::TooLarge];
    assert!(order.windows(2).all(|pair| pair[0].weight() < pair[1].weight()));
}

#[test]
fn a_debt_is_worked_off_before_anything_fits() {
    for (spec, memory_s) in &kinds()[..3] {
        let mut meter = Meter::new(spec, allowance(100), NOW);
        let id = meter.hold(10, NOW);
        meter.settle(id, Some(250), NOW);
        assert_eq!(meter.standing(allowance(100), NOW).remaining, 0);
        assert!(meter.check(0, allowance(100), NOW).is_err());
        assert_eq!(meter.check(1, allowance(100), later(NOW, 3 * memory_s)), Ok(()));
    }
}

#[test]
fn numbers_and_windows_that_can_not_be_are_refused() {
    for (resource, window) in [
        (Resource::Concurrent, Window::Sliding { window_ms: 60_000 }),
        (Resource::Requests, Window::None),
        (Resource::Requests, Window::Rate { period_ms: 0, burst: 1 }),
        (Resource::Requests, Window::Rate { period_ms: 1000, burst: 0 }),
        (Resource::Requests, Window::Rate { period_ms: 1000, burst: UNITS_MAX + 1 }),
        (Resource::Requests, Window::Sliding { window_ms: u64::MAX }),
        (Resource::Requests, Window::Calendar { period: Period::Day, time_zone: "nowhere".into() }),
    ] {
        assert!(MeterSpec::prepare(&rule(resource, window.clone()), 0).is_err(), "{resource:?} {window:?}");
    }
}
