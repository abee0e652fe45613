use proptest::prelude::*;

use super::*;
use crate::tables::limits::Period;

/// 25 October 2026 in Berlin, a day of 25 hours.
const START_S: i64 = 1_792_882_800;

#[derive(Clone, Debug)]
enum Step {
    Clock(i64),
    Reserve(u64),
    Settle(prop::sample::Index, Option<u64>),
    Add(u64, i64),
    SetAmount(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (-30_000..60_000_i64).prop_map(Step::Clock),
        4 => (0..12_u64).prop_map(Step::Reserve),
        3 => (any::<prop::sample::Index>(), prop::option::of(0..30_u64)).prop_map(|(which, used)| Step::Settle(which, used)),
        1 => (0..10_u64, 0..100_000_i64).prop_map(|(used, age)| Step::Add(used, age)),
        1 => (0..60_u64).prop_map(Step::SetAmount),
    ];
    proptest::collection::vec(step, 0..80)
}

struct Entry {
    /// The start of the period that it belongs to.
    start_s: i64,
    amount: u64,
    hold: Option<HoldId>,
}

proptest! {
    /// Every answer is that of a log of all there was, by period. A clock that is put back before a period's beginning
    /// leaves that period going on.
    #[test]
    fn every_answer_is_that_of_the_log(steps in steps()) {
        let periods = Arc::new(Periods::prepare(Period::Day, "Europe/Berlin").unwrap());
        let slow = Periods::prepare(Period::Day, "Europe/Berlin").unwrap();
        let mut quota = CalendarQuota::new(Arc::clone(&periods), START_S);
        let (mut log, mut now_s, mut latest_s, mut amount) = (Vec::<Entry>::new(), START_S, START_S, 30_u64);
        for step in steps {
            match step {
                Step::Clock(change_s) => now_s += change_s,
                Step::SetAmount(new) => amount = new,
                Step::Reserve(cost) => {
                    latest_s = latest_s.max(now_s);
                    let (start_s, end_s) = slow.bounds(latest_s);
                    let of = |is_open: bool| {
                        let entries = log.iter().filter(|entry| entry.start_s == start_s && entry.hold.is_some() == is_open);
                        entries.map(|entry| entry.amount).sum::<u64>()
                    };
                    let (used, held) = (of(false), of(true));
                    let expected = if cost > amount {
                        Err(Refusal::TooLarge)
                    } else if used + cost > amount {
                        Err(Refusal::Spent { reset_after_s: end_s.abs_diff(now_s) })
                    } else if used + held + cost > amount {
                        Err(Refusal::Reserved)
                    } else {
                        Ok(())
                    };
                    prop_assert_eq!(quota.check(cost, amount, now_s), expected);
                    if expected.is_ok() {
                        log.push(Entry { start_s, amount: cost, hold: Some(quota.hold(cost, now_s)) });
                    }
                }
                Step::Settle(which, used) => {
                    let open: Vec<_> = (0..log.len()).filter(|index| log[*index].hold.is_some()).collect();
                    if !open.is_empty() {
                        let entry = &mut log[open[which.index(open.len())]];
                        let id = entry.hold.take().unwrap();
                        entry.amount = used.unwrap_or(entry.amount);
                        prop_assert!(quota.settle(id, used));
                        prop_assert!(!quota.settle(id, Some(1000)), "settled twice");
                    }
                }
                Step::Add(used, age_s) => {
                    let at_s = now_s - age_s;
                    latest_s = latest_s.max(at_s);
                    quota.add(used, at_s);
                    log.push(Entry { start_s: slow.bounds(at_s).0, amount: used, hold: None });
                }
            }
            latest_s = latest_s.max(now_s);
            let start_s = slow.bounds(latest_s).0;
            let standing = quota.standing(amount, now_s);
            let of_period = || log.iter().filter(|entry| entry.start_s == start_s);
            prop_assert_eq!(standing.used, of_period().filter(|entry| entry.hold.is_none()).map(|entry| entry.amount).sum::<u64>());
            prop_assert_eq!(standing.used + standing.reserved, of_period().map(|entry| entry.amount).sum::<u64>());
            prop_assert_eq!(standing.remaining, amount.saturating_sub(standing.used + standing.reserved));
            let is_open = log.iter().any(|entry| entry.hold.is_some());
            prop_assert_eq!(quota.is_idle(now_s), standing.used == 0 && !is_open);
        }
    }
}

#[test]
fn extremes_neither_overflow_nor_let_more_through() {
    let periods = Arc::new(Periods::prepare(Period::Month, "UTC").unwrap());
    let mut quota = CalendarQuota::new(periods, i64::MAX);
    let ids = [0; 3].map(|_| quota.hold(u64::MAX, i64::MAX));
    assert_eq!(quota.check(1, u64::MAX, i64::MAX), Err(Refusal::Reserved));
    assert!(ids.into_iter().all(|id| quota.settle(id, Some(u64::MAX))));
    assert!(matches!(quota.check(1, u64::MAX, i64::MIN), Err(Refusal::Spent { .. })));
    assert_eq!(quota.check(0, u64::MAX, i64::MAX), Ok(()));
}
