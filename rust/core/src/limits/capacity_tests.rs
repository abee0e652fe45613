use proptest::prelude::*;

use super::*;
use crate::limits::reported::Remainder;

const SECOND_NS: u64 = 1_000_000_000;
/// 90 seconds before midnight.
const START_UNIX_MS: u64 = 20_000 * MS_PER_DAY - 90_000;

fn at(ns: u64) -> Moment {
    Moment { ns, unix_ms: START_UNIX_MS + ns / NS_PER_MS }
}

fn need(input_tokens: u64, output_tokens: u64) -> Need {
    Need { input_tokens, output_tokens, max_output_tokens: None }
}

fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage { input_tokens, output_tokens, ..Usage::default() }
}

fn tokens_a_minute(tokens: u64) -> Capacity {
    Capacity { tokens_per_minute: Some(tokens), ..Capacity::default() }
}

fn free_at(meter: &mut CapacityMeter, need: &Need, now_ns: u64) -> Option<u64> {
    meter.has_room(need, at(now_ns)).unwrap_err().free_at_ns
}

/// What a meter does, by keeping every call and looking at every window.
struct Model {
    limits: [Option<u64>; COUNTED],
    concurrent: Option<u32>,
    a_day: Option<u64>,
    calls: Vec<(u64, Costs)>,
    /// Calls that were never sent: no day counts them.
    unsent: Vec<usize>,
    under_way: Vec<usize>,
}

impl Model {
    fn has_room(&self, costs: Costs, now: Moment) -> bool {
        let day = |ns: u64| at(ns).unix_ms / MS_PER_DAY;
        let sent = self.calls.iter().enumerate().filter(|(call, _)| !self.unsent.contains(call));
        let today = sent.filter(|(_, (ns, _))| day(*ns) == day(now.ns)).count() as u64;
        let fits = |kind: usize| {
            let Some(limit) = self.limits[kind] else { return true };
            let (mut sum, mut worst) = (0_i128, 0_i128);
            for (begun, used) in self.calls.iter().rev() {
                sum += i128::from(used[kind]) * i128::from(MINUTE_NS);
                worst = worst.max(sum - i128::from(limit) * i128::from(now.ns - begun));
            }
            worst + i128::from(costs[kind].min(limit)) * i128::from(MINUTE_NS)
                <= i128::from(limit) * i128::from(MINUTE_NS)
        };
        self.concurrent.is_none_or(|limit| self.under_way.len() < limit as usize)
            && self.a_day.is_none_or(|limit| today < limit)
            && (0..COUNTED).all(fits)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Call(u64, u64),
    Settle(prop::sample::Index, u64, u64),
    GiveBack(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (0..20_000_u64).prop_map(|wait_ms| Step::Wait(wait_ms * NS_PER_MS)),
        3 => (0..60_u64, 0..60_u64).prop_map(|(input, output)| Step::Call(input, output)),
        1 => (any::<prop::sample::Index>(), 0..90_u64, 0..90_u64).prop_map(|(which, i, o)| Step::Settle(which, i, o)),
        1 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    /// Lets through exactly what every window, the day and the calls under way leave room for, whatever calls turn out
    /// to use; and whoever waits as long as told finds room, not a nanosecond earlier.
    #[test]
    fn room_is_what_every_window_leaves(
        limits in proptest::array::uniform4(proptest::option::of(1..150_u64)),
        concurrent in proptest::option::of(1..5_u32),
        a_day in proptest::option::of(1..20_u64),
        steps in steps(),
    ) {
        let capacity = Capacity {
            requests_per_minute: limits[0],
            tokens_per_minute: limits[1],
            input_tokens_per_minute: limits[2],
            output_tokens_per_minute: limits[3],
            requests_per_day: a_day,
            concurrent,
            ..Capacity::default()
        };
        let mut meter = CapacityMeter::new(&capacity);
        let mut model = Model { limits, concurrent, a_day, calls: Vec::new(), unsent: Vec::new(), under_way: Vec::new() };
        let (mut now_ns, mut ids) = (0, Vec::new());
        for step in steps {
            match step {
                Step::Wait(wait_ns) => now_ns += wait_ns,
                Step::Call(input, output) => {
                    let (need, costs) = (need(input, output), [1, input + output, input, output]);
                    let answer = meter.has_room(&need, at(now_ns));
                    prop_assert_eq!(answer.is_ok(), model.has_room(costs, at(now_ns)));
                    match answer {
                        Ok(()) => {
                            ids.push((meter.take(&need, at(now_ns)), model.calls.len()));
                            model.under_way.push(model.calls.len());
                            model.calls.push((now_ns, costs));
                        }
                        Err(Blocked { free_at_ns: None }) => prop_assert_eq!(Some(model.under_way.len() as u64), concurrent.map(u64::from)),
                        Err(Blocked { free_at_ns: Some(then_ns) }) => {
                            prop_assert!(then_ns > now_ns);
                            prop_assert!(model.has_room(costs, at(then_ns)));
                            prop_assert!(!model.has_room(costs, at(then_ns - 1)));
                        }
                    }
                }
                Step::Settle(which, input, output) if !ids.is_empty() => {
                    let (id, call) = ids.swap_remove(which.index(ids.len()));
                    prop_assert!(meter.settle(id, Some(&usage(input, output)), now_ns));
                    prop_assert!(!meter.settle(id, None, now_ns) && !meter.give_back(id, now_ns), "settled twice");
                    model.calls[call].1 = [1, input + output, input, output];
                    // A request counts whatever became of it.
                    model.under_way.retain(|other| *other != call);
                }
                Step::GiveBack(which) if !ids.is_empty() => {
                    let (id, call) = ids.swap_remove(which.index(ids.len()));
                    prop_assert!(meter.give_back(id, now_ns));
                    model.calls[call].1 = [0; COUNTED];
                    model.under_way.retain(|other| *other != call);
                    model.unsent.push(call);
                }
                Step::Settle(..) | Step::GiveBack(_) => {}
            }
            prop_assert_eq!(meter.in_flight(), model.under_way.len() as u64);
        }
    }

    /// With a provider's word the meter never lets more through than either, until the reset.
    #[test]
    fn the_smaller_of_both_wins(own in 1..200_u64, remaining in 0..200_u64, limit in 0..200_u64, costs in proptest::collection::vec(1..50_u64, 1..20)) {
        let mut meter = CapacityMeter::new(&tokens_a_minute(own));
        let said = Remainder { limit: Some(limit.max(remaining)), remaining: Some(remaining), reset_ns: Some(MINUTE_NS), refills_evenly: false };
        meter.note_headers(&ProviderLimits { tokens: Some(said), ..ProviderLimits::default() }, None, 0);
        let most = own.min(remaining);
        let mut taken = 0;
        for cost in costs {
            if meter.has_room(&need(cost, 0), at(0)).is_ok() {
                meter.take(&need(cost, 0), at(0));
                taken += cost;
                // A need above a limit passes alone, with a full bucket.
                prop_assert!(taken <= most || (taken == cost && most >= limit.max(remaining).min(own)), "{taken} of {most}");
            }
        }
    }
}

fn said(limit: u64, remaining: u64, reset_s: u64, refills_evenly: bool) -> ProviderLimits {
    let remainder = Remainder {
        limit: Some(limit),
        remaining: Some(remaining),
        reset_ns: Some(reset_s * SECOND_NS),
        refills_evenly,
    };
    ProviderLimits { tokens: Some(remainder), ..ProviderLimits::default() }
}

#[test]
fn what_a_provider_reports_holds_until_its_reset_and_comes_back_as_it_says() {
    let mut meter = CapacityMeter::new(&tokens_a_minute(6000));
    meter.note_headers(&said(6000, 100, 30, false), None, 0);
    assert_eq!(meter.has_room(&need(100, 0), at(0)), Ok(()));
    assert_eq!(free_at(&mut meter, &need(101, 0), 0), Some(30 * SECOND_NS));
    assert_eq!(meter.has_room(&need(5000, 0), at(30 * SECOND_NS)), Ok(()), "its own bucket is full");
    // 5900 come back in 59 s: 100 a second.
    meter.note_headers(&said(6000, 100, 59, true), None, 40 * SECOND_NS);
    assert_eq!(free_at(&mut meter, &need(300, 0), 40 * SECOND_NS), Some(42 * SECOND_NS));
}

#[test]
fn reports_alone_are_used_where_nothing_is_configured() {
    let mut meter = CapacityMeter::new(&Capacity::default());
    assert_eq!(meter.has_room(&need(1 << 40, 0), at(0)), Ok(()));
    meter.note_headers(&said(1000, 200, 60, false), None, 0);
    meter.take(&need(150, 0), at(0));
    assert_eq!(free_at(&mut meter, &need(51, 0), 0), Some(60 * SECOND_NS));
    // Nothing was said of the window after it: it is taken to be like the first.
    assert_eq!(meter.has_room(&need(1000, 0), at(60 * SECOND_NS)), Ok(()));
    meter.take(&need(1000, 0), at(60 * SECOND_NS));
    assert_eq!(free_at(&mut meter, &need(1, 0), 61 * SECOND_NS), Some(120 * SECOND_NS));
}

#[test]
fn a_reported_limit_below_the_configured_one_replaces_it_and_one_above_does_not() {
    let mut meter = CapacityMeter::new(&tokens_a_minute(6000));
    meter.note_headers(&said(600, 600, 1, true), None, 0);
    meter.take(&need(600, 0), at(2 * SECOND_NS));
    assert_eq!(free_at(&mut meter, &need(10, 0), 2 * SECOND_NS), Some(3 * SECOND_NS), "ten a second");
    meter.note_headers(&said(60_000, 60_000, 1, true), None, 3 * SECOND_NS);
    assert_eq!(free_at(&mut meter, &need(6000, 0), 3 * SECOND_NS), Some(8 * SECOND_NS + 9 * SECOND_NS / 10));
}

#[test]
fn calls_begun_after_the_one_that_reports_are_taken_off_and_older_news_passed_over() {
    let mut meter = CapacityMeter::new(&Capacity::default());
    let first = meter.take(&need(100, 0), at(0));
    let second = meter.take(&need(70, 0), at(0));
    meter.take(&need(30, 0), at(0));
    meter.note_headers(&said(1000, 500, 60, false), Some(second), 1);
    assert_eq!(meter.has_room(&need(470, 0), at(1)), Ok(()));
    assert!(meter.has_room(&need(471, 0), at(1)).is_err());
    meter.note_headers(&said(1000, 900, 60, false), Some(first), 2);
    assert!(meter.has_room(&need(471, 0), at(2)).is_err(), "the younger call knew better");
    assert_eq!(meter.has_room(&need(471, 0), at(61 * SECOND_NS)), Ok(()));
}

#[test]
fn what_was_not_sent_goes_back_to_the_report_as_well() {
    let mut meter = CapacityMeter::new(&Capacity::default());
    let before = meter.take(&need(50, 0), at(0));
    meter.note_headers(&said(100, 100, 60, false), Some(before), 0);
    let unsent = meter.take(&need(100, 0), at(0));
    assert!(meter.has_room(&need(1, 0), at(0)).is_err());
    assert!(meter.give_back(unsent, 0) && meter.give_back(before, 0));
    assert_eq!(meter.has_room(&need(100, 0), at(0)), Ok(()));
    meter.take(&need(100, 0), at(0));
    assert!(meter.has_room(&need(1, 0), at(0)).is_err(), "the first was never taken off");
}

#[test]
fn vendors_count_in_their_own_way() {
    let weights = TokenWeights { cache_read_permille: 0, output_permille: 5000, reserves_max_tokens: false };
    let mut meter = CapacityMeter::new(&Capacity { weights, ..tokens_a_minute(1000) });
    let id = meter.take(&need(500, 100), at(0));
    assert!(meter.has_room(&need(1, 0), at(0)).is_err(), "500 and five times 100");
    meter.settle(id, Some(&Usage { cache_read_tokens: 400, ..usage(100, 10) }), 0);
    assert_eq!(meter.has_room(&need(850, 0), at(0)), Ok(()));
    assert!(meter.has_room(&need(851, 0), at(0)).is_err());
}

#[test]
fn a_vendor_that_reserves_max_tokens_does_not_give_them_back() {
    let weights = TokenWeights { reserves_max_tokens: true, ..TokenWeights::default() };
    let mut meter = CapacityMeter::new(&Capacity { weights, ..tokens_a_minute(1000) });
    let asked = Need { max_output_tokens: Some(800), ..need(100, 20) };
    let id = meter.take(&asked, at(0));
    meter.settle(id, Some(&usage(100, 5)), 0);
    assert_eq!(meter.has_room(&need(50, 50), at(0)), Ok(()), "an estimate where nothing is asked for");
    assert!(meter.has_room(&need(50, 51), at(0)).is_err());
}

#[test]
fn a_day_ends_at_midnight_utc_and_never_comes_back() {
    let mut meter = CapacityMeter::new(&Capacity { requests_per_day: Some(2), ..Capacity::default() });
    let first = meter.take(&need(0, 0), at(0));
    meter.take(&need(0, 0), at(0));
    assert_eq!(free_at(&mut meter, &need(0, 0), SECOND_NS), Some(90 * SECOND_NS));
    assert_eq!(meter.has_room(&need(0, 0), at(90 * SECOND_NS)), Ok(()));
    meter.take(&need(0, 0), at(90 * SECOND_NS));
    meter.take(&need(0, 0), at(90 * SECOND_NS));
    meter.give_back(first, 90 * SECOND_NS);
    let back = Moment { ns: 91 * SECOND_NS, unix_ms: START_UNIX_MS };
    assert!(meter.has_room(&need(0, 0), back).is_err(), "the wall clock went back; yesterday's was given back");
}

#[test]
fn another_capacity_keeps_what_is_used_debt_and_calls_under_way() {
    let mut meter = CapacityMeter::new(&tokens_a_minute(600));
    let low = meter.take(&need(300, 0), at(0));
    meter.set_capacity(&Capacity { concurrent: Some(2), ..tokens_a_minute(6000) }, 0);
    assert_eq!(meter.has_room(&need(5700, 0), at(0)), Ok(()));
    assert!(meter.has_room(&need(5701, 0), at(0)).is_err());
    // What it was held for can't come back any more, but what it used beyond counts.
    meter.settle(low, Some(&usage(1300, 0)), 0);
    assert!(meter.has_room(&need(4701, 0), at(0)).is_err() && meter.has_room(&need(4700, 0), at(0)).is_ok());
    meter.set_capacity(&tokens_a_minute(600), 0);
    assert_eq!(free_at(&mut meter, &need(1, 0), 0), Some(70 * SECOND_NS + SECOND_NS / 10), "700 in debt");
    meter.set_capacity(&Capacity::default(), 0);
    assert_eq!(meter.has_room(&need(1 << 50, 0), at(0)), Ok(()));
}

#[test]
fn a_closed_meter_opens_when_it_was_told_to() {
    let mut meter = CapacityMeter::new(&Capacity::default());
    meter.close_for(20 * SECOND_NS, SECOND_NS);
    meter.close_for(SECOND_NS, 2 * SECOND_NS);
    assert_eq!(free_at(&mut meter, &need(1, 1), 2 * SECOND_NS), Some(21 * SECOND_NS));
    assert_eq!(meter.has_room(&need(1, 1), at(21 * SECOND_NS)), Ok(()));
}

#[test]
fn extremes_do_not_overflow() {
    let huge = Need { input_tokens: u64::MAX, output_tokens: u64::MAX, max_output_tokens: Some(u64::MAX) };
    let weights = TokenWeights { cache_read_permille: u32::MAX, output_permille: u32::MAX, reserves_max_tokens: false };
    for limit in [0, 1, u64::MAX] {
        let mut meter = CapacityMeter::new(&Capacity { weights, ..tokens_a_minute(limit) });
        for _ in 0..3 {
            let id = meter.take(&huge, Moment { ns: u64::MAX / 2, unix_ms: u64::MAX });
            meter.settle(id, Some(&usage(u64::MAX, u64::MAX)), u64::MAX / 2);
        }
        meter.note_headers(&said(u64::MAX, 0, 1, true), None, u64::MAX / 2);
        meter.note_headers(&said(0, 0, 0, true), None, 0);
        assert!(meter.has_room(&huge, Moment::default()).is_err());
    }
}

#[test]
fn a_time_is_the_earliest_unless_a_call_under_way_may_bring_it_sooner() {
    let not_before = |meter: &mut CapacityMeter| meter.room_not_before_ns(&need(50, 0), at(0));
    let requests = Capacity { requests_per_minute: Some(2), ..Capacity::default() };
    let mut meter = CapacityMeter::new(&requests);
    assert_eq!(not_before(&mut meter), 0);
    for _ in 0..2 {
        meter.take(&need(50, 0), at(0));
    }
    // A request counts whatever it uses.
    assert_eq!(not_before(&mut meter), 30 * SECOND_NS);
    let said = Remainder { limit: Some(2), remaining: Some(0), reset_ns: Some(60 * SECOND_NS), refills_evenly: false };
    meter.note_headers(&ProviderLimits { requests: Some(said), ..ProviderLimits::default() }, Some(0), 0);
    assert_eq!(not_before(&mut meter), 0, "the other call's answer may say more");

    let mut meter = CapacityMeter::new(&tokens_a_minute(60));
    let call = meter.take(&need(60, 0), at(0));
    assert_eq!(not_before(&mut meter), 0, "it may use less");
    meter.settle(call, None, 0);
    assert_eq!(not_before(&mut meter), 50 * SECOND_NS);

    let mut meter = CapacityMeter::new(&Capacity { concurrent: Some(1), ..requests });
    for _ in 0..2 {
        meter.take(&need(50, 0), at(0));
    }
    assert_eq!(not_before(&mut meter), 0, "it may end");
}
