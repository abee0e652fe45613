use proptest::prelude::*;

use super::*;
use crate::resilience::testing::{MS, SECOND, SETTINGS};

fn opened(now_ns: u64) -> Breaker {
    let mut breaker = Breaker::new(SETTINGS);
    for _ in 0..5 {
        breaker.record(false, now_ns, now_ns);
    }
    breaker
}

#[test]
fn opens_on_failures_in_a_row() {
    let mut breaker = Breaker::new(SETTINGS);
    for _ in 0..10 {
        for _ in 0..4 {
            breaker.record(false, 0, 0);
        }
        for _ in 0..12 {
            breaker.record(true, 0, 0);
        }
    }
    assert_eq!(breaker.state(0), State::Closed);
    for _ in 0..5 {
        assert!(breaker.try_acquire(7));
        breaker.record(false, 7, 7);
    }
    assert_eq!((breaker.state(7), breaker.is_open(7)), (State::Open, true));
    assert!(!breaker.try_acquire(2 * SECOND));
    assert_eq!(breaker.available_from_ns(), 7 + 2 * SECOND);
}

#[test]
fn an_open_time_that_is_ended_leaves_a_trial() {
    let mut breaker = opened(0);
    breaker.end_open_time(SECOND);
    assert_eq!(breaker.state(SECOND), State::HalfOpen);
    assert!(breaker.try_acquire(SECOND) && !breaker.try_acquire(SECOND));
    // Neither a trial under way nor a closed breaker has an open time to end.
    breaker.end_open_time(SECOND + MS);
    assert!(!breaker.try_acquire(SECOND + MS));
    breaker.record(true, SECOND, 2 * SECOND);
    breaker.end_open_time(3 * SECOND);
    assert_eq!(breaker.state(3 * SECOND), State::Closed);
}

#[test]
fn opens_when_too_few_succeed_of_enough_calls() {
    let calls_until_open = |pattern: &[bool]| {
        let mut breaker = Breaker::new(SETTINGS);
        let outcomes = pattern.iter().cycle().take(1000);
        let until = outcomes.take_while(|success| {
            breaker.record(**success, 0, 0);
            breaker.state(0) == State::Closed
        });
        until.count() + 1
    };
    assert_eq!(calls_until_open(&[true, false, false]), 20, "not before enough are known");
    assert_eq!(calls_until_open(&[true, true, false]), 1001, "two of three are enough");
}

#[test]
fn one_trial_at_a_time_and_its_success_closes() {
    let mut breaker = opened(0);
    let now_ns = 2 * SECOND;
    assert_eq!(breaker.state(now_ns), State::HalfOpen);
    assert!(breaker.try_acquire(now_ns));
    assert!(!breaker.try_acquire(now_ns) && breaker.is_open(now_ns + SECOND));
    breaker.record(true, now_ns, now_ns + SECOND);
    assert_eq!(breaker.state(now_ns + SECOND), State::Closed);
    assert_eq!((breaker.consecutive_failures(), breaker.success_permille()), (0, 1000));
}

#[test]
fn a_trial_that_fails_doubles_the_time_up_to_its_end() {
    let mut breaker = opened(0);
    let mut open_s = Vec::new();
    for _ in 0..6 {
        let now_ns = breaker.available_from_ns();
        assert!(breaker.try_acquire(now_ns));
        breaker.record(false, now_ns, now_ns + MS);
        open_s.push((breaker.available_from_ns() - now_ns) / SECOND);
    }
    assert_eq!(open_s, [4, 8, 16, 20, 20, 20]);
    let now_ns = breaker.available_from_ns();
    breaker.record(true, now_ns, now_ns);
    for _ in 0..5 {
        breaker.record(false, now_ns, now_ns);
    }
    assert_eq!(breaker.available_from_ns(), now_ns + 2 * SECOND, "and it starts anew after a success");
}

#[test]
fn a_trial_without_an_outcome_does_not_block_for_ever() {
    let mut breaker = opened(0);
    assert!(breaker.try_acquire(2 * SECOND));
    assert!(!breaker.try_acquire(4 * SECOND - 1));
    assert!(breaker.try_acquire(4 * SECOND), "it has expired");
    breaker.record_abandoned(4 * SECOND);
    assert!(breaker.try_acquire(4 * SECOND), "its client has left");
}

#[test]
fn what_began_before_it_opened_counts_no_more() {
    let mut breaker = opened(10 * SECOND);
    breaker.record(true, 9 * SECOND, 11 * SECOND);
    assert_eq!(breaker.state(11 * SECOND), State::Open, "an old success");
    assert!(breaker.try_acquire(12 * SECOND));
    breaker.record(false, 9 * SECOND, 12 * SECOND);
    breaker.record_abandoned(9 * SECOND);
    assert!(!breaker.try_acquire(12 * SECOND), "the trial is under way still");
    breaker.record_content(11 * SECOND);
    assert_eq!(breaker.state(12 * SECOND), State::HalfOpen);
    breaker.record_content(12 * SECOND);
    assert_eq!(breaker.state(12 * SECOND), State::Closed);
    for _ in 0..100 {
        breaker.record(false, 9 * SECOND, 13 * SECOND);
    }
    assert_eq!(breaker.state(13 * SECOND), State::Closed, "late time-outs of the outage");
}

/// A call begins every `gap_ms`, the failing of them end after 50 ms, the others after `answer_ms`; how often the breaker
/// opened in a minute.
fn openings(is_failing: impl Fn(u64) -> bool, gap_ms: usize, answer_ms: u64) -> usize {
    let mut breaker = Breaker::new(SETTINGS);
    let mut ends = std::collections::BTreeSet::new();
    let mut openings = 0;
    for (number, now_ms) in (0..60_000_u64).step_by(gap_ms).enumerate() {
        let number = number as u64;
        while let Some((end_ms, number, begun_ms)) = ends.pop_first() {
            if end_ms > now_ms {
                ends.insert((end_ms, number, begun_ms));
                break;
            }
            let was_closed = breaker.state(end_ms * MS) == State::Closed;
            breaker.record(!is_failing(number), begun_ms * MS, end_ms * MS);
            openings += usize::from(was_closed && breaker.state(end_ms * MS) != State::Closed);
        }
        if breaker.try_acquire(now_ms * MS) {
            ends.insert((now_ms + if is_failing(number) { 50 } else { answer_ms }, number, now_ms));
        }
    }
    openings
}

#[test]
fn errors_that_come_before_the_answers_do_not_open_it() {
    assert_eq!(openings(|number| number % 33 == 0, 50, 10_000), 0, "3 %, and answers take 10 s");
    assert_eq!(openings(|number| number % 20 == 0, 1, 400), 0, "5 % of very many");
    assert_eq!(openings(|number| number % 10 < 3, 1, 400), 0, "30 % of very many");
    assert!(openings(|number| number % 10 < 7, 1, 400) > 0, "70 %");
    assert!(openings(|_| true, 50, 10_000) > 0, "all");
}

#[test]
fn clients_that_leave_do_not_hide_an_outage() {
    let mut breaker = Breaker::new(SETTINGS);
    for now_ms in 0..200 {
        breaker.try_acquire(now_ms * MS);
        match now_ms % 4 {
            0 => breaker.record(false, now_ms * MS, now_ms * MS),
            _ => breaker.record_abandoned(now_ms * MS),
        }
    }
    assert_eq!(breaker.state(200 * MS), State::Open);
}

proptest! {
    /// However an outage goes on, with quick failures or calls that hang, the first trial after it begins within 20 s,
    /// and its success closes the breaker. Calls of the outage that fail only then may open it once more, for 2 s.
    #[test]
    fn a_provider_that_recovered_is_back_within_30_s(
        outage_ms in 1_u64..120_000, gap_ms in 10_u64..500, failures_take_ms in prop_oneof![Just(1_u64), 1_u64..27_000],
    ) {
        let back_ms = outage_ms + 1000 + 20_000.max(failures_take_ms + 2000);
        let mut breaker = Breaker::new(SETTINGS);
        let mut ends: Vec<(u64, u64, bool)> = Vec::new();
        for begun_ms in (0..outage_ms + 120_000).step_by(usize::try_from(gap_ms).unwrap()) {
            ends.sort_unstable_by(|one, other| other.cmp(one));
            while ends.last().is_some_and(|(end_ms, ..)| *end_ms <= begun_ms) {
                let (end_ms, begun_ms, success) = ends.pop().unwrap();
                breaker.record(success, begun_ms * MS, end_ms * MS);
            }
            if begun_ms > back_ms {
                prop_assert_eq!(breaker.state(begun_ms * MS), State::Closed);
            }
            if breaker.try_acquire(begun_ms * MS) {
                let is_up = begun_ms >= outage_ms;
                ends.push((begun_ms + if is_up { 100 } else { failures_take_ms }, begun_ms, is_up));
            }
        }
    }
}
