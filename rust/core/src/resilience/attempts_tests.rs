use std::cell::Cell;

use super::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const LIMITS: Limits = Limits { backoff_ns: 250 * MS, backoff_max_ns: 2 * SECOND, wait_max_ns: 5 * SECOND };

#[derive(Clone, Copy)]
struct Candidate {
    retries: u32,
    is_available: bool,
    from_ns: u64,
    p50_ns: Option<u64>,
    limit_ns: u64,
    cures: bool,
}

const HEALTHY: Candidate =
    Candidate { retries: 2, is_available: true, from_ns: 0, p50_ns: None, limit_ns: 30 * SECOND, cures: true };
const PAUSED: Candidate = Candidate { is_available: false, from_ns: 9 * SECOND, ..HEALTHY };

struct Chain {
    candidates: Vec<Candidate>,
    retries_left: Cell<u32>,
}

impl Chain {
    fn new(candidates: &[Candidate]) -> Self {
        Self { candidates: candidates.to_vec(), retries_left: Cell::new(100) }
    }

    fn attempts(&self, deadline_ns: Option<u64>) -> Attempts {
        Attempts::new(self.candidates.len(), deadline_ns, LIMITS)
    }
}

impl Conditions for Chain {
    fn retries(&self, candidate: usize) -> u32 {
        self.candidates[candidate].retries
    }
    fn is_available(&self, candidate: usize, _: u64) -> bool {
        self.candidates[candidate].is_available
    }
    fn available_from_ns(&self, candidate: usize) -> u64 {
        self.candidates[candidate].from_ns
    }
    fn first_content_p50_ns(&self, candidate: usize) -> Option<u64> {
        self.candidates[candidate].p50_ns
    }
    fn first_content_limit_ns(&self, candidate: usize) -> u64 {
        self.candidates[candidate].limit_ns
    }
    fn can_cure(&self, candidate: usize, _: usize, _: Reason) -> bool {
        self.candidates[candidate].cures
    }
    fn take_retry(&self, _: usize, _: u64) -> bool {
        let left = self.retries_left.get();
        self.retries_left.set(left.saturating_sub(1));
        left > 0
    }
}

fn verdict(action: Action, reason: Reason) -> Verdict {
    Verdict { action, reason, pause_ns: None }
}

const FAILED: Verdict = Verdict { action: Action::Wait, reason: Reason::ServerError, pause_ns: None };
const TIMED_OUT: Verdict = Verdict { reason: Reason::TimedOut, ..FAILED };

fn told(pause_ns: u64) -> Verdict {
    Verdict { reason: Reason::RateLimited, pause_ns: Some(pause_ns), ..FAILED }
}

fn called(step: Step) -> usize {
    match step {
        Step::Call { candidate, .. } => candidate,
        other => panic!("{other:?}"),
    }
}

/// Asks until there is a call or an end; the clock jumps over waits. Says who was called, and `now_ns` then.
fn run(
    attempts: &mut Attempts,
    chain: &Chain,
    mut now_ns: u64,
    verdicts: &[Verdict],
) -> (Vec<(usize, u64)>, Option<Over>) {
    let (mut calls, mut verdicts) = (Vec::new(), verdicts.iter());
    loop {
        match attempts.next(chain, now_ns, u64::MAX) {
            Step::Call { candidate, .. } => {
                calls.push((candidate, now_ns));
                let Some(verdict) = verdicts.next() else { return (calls, None) };
                attempts.note_failure(*verdict, now_ns);
            }
            Step::Wait { until_ns, .. } => {
                assert!(until_ns > now_ns);
                now_ns = until_ns;
            }
            Step::Over(over) => return (calls, Some(over)),
        }
    }
}

fn run_all(chain: &Chain, verdicts: &[Verdict]) -> (Vec<usize>, Option<Over>) {
    let (calls, over) = run(&mut chain.attempts(None), chain, 0, verdicts);
    (calls.iter().map(|(candidate, _)| *candidate).collect(), over)
}

#[test]
fn repeats_with_growing_back_off_and_then_moves_on() {
    let chain = Chain::new(&[HEALTHY, HEALTHY]);
    let mut attempts = chain.attempts(None);
    let (calls, over) = run(&mut attempts, &chain, 0, &[FAILED; 6]);
    let second = 750 * MS;
    let expected = [(0, 0), (0, 250 * MS), (0, 750 * MS), (1, second), (1, second + 250 * MS), (1, second + 750 * MS)];
    assert_eq!(calls, expected);
    assert_eq!(over, Some(Over::Exhausted));
    assert_eq!((attempts.calls(), chain.retries_left.get()), (6, 96));
    assert_eq!(attempts.next(&chain, 0, 0), Step::Over(Over::Exhausted), "an end is one");
}

#[test]
fn a_wait_is_a_wait_until_its_time_has_come() {
    let chain = Chain::new(&[HEALTHY]);
    let mut attempts = chain.attempts(None);
    called(attempts.next(&chain, 0, 0));
    attempts.note_failure(FAILED, 0);
    let wait = Step::Wait { candidate: 0, until_ns: 250 * MS };
    assert_eq!(attempts.next(&chain, 0, u64::MAX), wait);
    assert_eq!(attempts.next(&chain, 249 * MS, 0), wait);
    assert_eq!(called(attempts.next(&chain, 250 * MS, 0)), 0);
    assert_eq!(chain.retries_left.get(), 99, "paid for once");
}

#[test]
fn a_retry_budget_that_is_spent_moves_on() {
    let chain = Chain::new(&[HEALTHY, HEALTHY]);
    chain.retries_left.set(1);
    assert_eq!(run_all(&chain, &[FAILED; 3]), (vec![0, 0, 1], Some(Over::Exhausted)));
}

#[test]
fn a_hint_is_kept_and_a_long_one_moves_on() {
    let chain = Chain::new(&[HEALTHY, HEALTHY]);
    let (calls, _) = run(&mut chain.attempts(None), &chain, 0, &[told(SECOND)]);
    assert_eq!(calls, [(0, 0), (0, 1100 * MS)]);
    let (calls, _) = run(&mut chain.attempts(None), &chain, 0, &[told(6 * SECOND)]);
    assert_eq!(calls, [(0, 0), (1, 0)]);
}

#[test]
fn a_long_hint_is_waited_for_when_nobody_else_is_left_and_there_is_time() {
    let chain = Chain::new(&[HEALTHY]);
    let calls = |deadline_ns, hint_ns| run(&mut chain.attempts(deadline_ns), &chain, 0, &[told(hint_ns)]);
    assert_eq!(calls(None, 50 * SECOND), (vec![(0, 0), (0, 51 * SECOND)], None));
    assert_eq!(calls(None, 61 * SECOND), (vec![(0, 0)], Some(Over::Exhausted)));
    assert_eq!(calls(Some(30 * SECOND), 10 * SECOND), (vec![(0, 0), (0, 11 * SECOND)], None));
    assert_eq!(calls(Some(10 * SECOND), 10 * SECOND), (vec![(0, 0)], Some(Over::Exhausted)));
    assert_eq!(chain.retries_left.get(), 98, "what is not repeated is not paid for");
}

#[test]
fn whom_a_long_hint_left_has_another_turn_at_the_end() {
    let chain = Chain::new(&[HEALTHY, HEALTHY]);
    let refused = verdict(Action::Move, Reason::Garbage);
    let (calls, _) = run(&mut chain.attempts(None), &chain, 0, &[told(10 * SECOND), refused]);
    assert_eq!(calls, [(0, 0), (1, 0), (0, 11 * SECOND)]);
}

#[test]
fn a_time_out_moves_on_and_is_repeated_once_when_nobody_is_left() {
    let chain = Chain::new(&[HEALTHY, HEALTHY]);
    assert_eq!(run_all(&chain, &[TIMED_OUT; 9]), (vec![0, 1, 0, 1], Some(Over::Exhausted)));
    let alone = Chain::new(&[HEALTHY]);
    assert_eq!(run_all(&alone, &[TIMED_OUT; 9]), (vec![0, 0], Some(Over::Exhausted)));
    assert_eq!(run_all(&alone, &[verdict(Action::Move, Reason::TimedOut); 9]).0, [0, 0]);
    assert_eq!(run_all(&alone, &[TIMED_OUT, FAILED, FAILED]).0, [0, 0], "the first call counts");
    let without = Chain::new(&[Candidate { retries: 0, ..HEALTHY }]);
    assert_eq!(run_all(&without, &[TIMED_OUT; 9]).0, [0]);
}

#[test]
fn a_refused_credential_is_replaced_at_once_and_for_free() {
    let chain = Chain::new(&[HEALTHY, HEALTHY]);
    let refused = verdict(Action::DisableKey, Reason::CredentialsRefused);
    let (calls, over) = run(&mut chain.attempts(None), &chain, 0, &[refused; 9]);
    assert_eq!(calls, [(0, 0), (0, 0), (0, 0), (1, 0), (1, 0), (1, 0)]);
    assert_eq!((over, chain.retries_left.get()), (Some(Over::Exhausted), 100));
    let mut chain = chain;
    let mut attempts = chain.attempts(None);
    assert_eq!(called(attempts.next(&chain, 0, 0)), 0);
    attempts.note_failure(refused, 0);
    chain.candidates[0].is_available = false;
    assert_eq!(called(attempts.next(&chain, 0, 0)), 1, "there was no other key");
    attempts.note_failure(verdict(Action::Move, Reason::Garbage), 0);
    assert_eq!(attempts.next(&chain, 0, 0), Step::Over(Over::Exhausted), "nor is there at the end");
}

#[test]
fn a_request_at_fault_stops_but_a_fallbacks_complaint_moves_on() {
    let chain = Chain::new(&[HEALTHY, HEALTHY, HEALTHY]);
    let stop = verdict(Action::Stop, Reason::BadRequest);
    let moves = verdict(Action::Move, Reason::Unreachable);
    assert_eq!(run_all(&chain, &[stop]), (vec![0], Some(Over::Stopped)));
    assert_eq!(run_all(&chain, &[FAILED, stop]), (vec![0, 0], Some(Over::Stopped)));
    assert_eq!(run_all(&chain, &[moves, stop, stop]), (vec![0, 1, 2], Some(Over::Exhausted)));
    let drill = verdict(Action::Move, Reason::Drill);
    assert_eq!(run_all(&chain, &[drill, stop]), (vec![0, 1], Some(Over::Stopped)), "nothing was sent to the first");
}

#[test]
fn what_cannot_be_cured_is_not_tried() {
    let helpless = Candidate { cures: false, ..HEALTHY };
    let chain = Chain::new(&[HEALTHY, helpless, HEALTHY, helpless]);
    for reason in [Reason::ContextTooLong, Reason::ModelNotFound] {
        let verdicts = [verdict(Action::Move, reason), verdict(Action::Move, Reason::Garbage)];
        assert_eq!(run_all(&chain, &verdicts), (vec![0, 2], Some(Over::Exhausted)));
        let later = Verdict { pause_ns: Some(10 * SECOND), ..verdict(Action::Wait, reason) };
        assert_eq!(run_all(&Chain::new(&[HEALTHY]), &[later; 2]), (vec![0], Some(Over::Exhausted)), "nor time itself");
    }
}

#[test]
fn the_unavailable_are_skipped_but_never_all() {
    let moves = verdict(Action::Move, Reason::Unreachable);
    let sooner = Candidate { from_ns: 5 * SECOND, ..PAUSED };
    let chain = Chain::new(&[PAUSED, sooner, HEALTHY]);
    assert_eq!(run_all(&chain, &[moves; 3]), (vec![2, 1, 0], Some(Over::Exhausted)));
    let alone = Chain::new(&[Candidate { from_ns: u64::MAX, ..PAUSED }]);
    assert_eq!(run_all(&alone, &[FAILED; 3]), (vec![0, 0, 0], Some(Over::Exhausted)));
}

#[test]
fn a_candidate_that_is_left_alone_during_its_back_off_yields_to_another() {
    let mut chain = Chain::new(&[HEALTHY, HEALTHY]);
    let mut attempts = chain.attempts(None);
    called(attempts.next(&chain, 0, 0));
    attempts.note_failure(FAILED, 0);
    assert!(matches!(attempts.next(&chain, 0, u64::MAX), Step::Wait { candidate: 0, .. }));
    chain.candidates[0] = PAUSED;
    assert_eq!(called(attempts.next(&chain, 250 * MS, 0)), 1);
    attempts.note_failure(FAILED, 250 * MS);
    chain.candidates[1] = PAUSED;
    assert!(
        matches!(attempts.next(&chain, 250 * MS, u64::MAX), Step::Call { candidate: 0, .. }),
        "nobody else is left"
    );
}

#[test]
fn time_is_set_aside_for_those_who_follow() {
    let by = |chain: &Chain, deadline_ns: Option<u64>| match chain.attempts(deadline_ns).next(chain, SECOND, 0) {
        Step::Call { candidate: 0, first_content_by_ns } => first_content_by_ns - SECOND,
        other => panic!("{other:?}"),
    };
    let p50 = |p50_ns: u64| Candidate { p50_ns: Some(p50_ns), ..HEALTHY };
    let chain = |candidates: &[Candidate]| Chain::new(candidates);
    assert_eq!(by(&chain(&[HEALTHY]), None), 30 * SECOND, "its own limit");
    assert_eq!(by(&chain(&[HEALTHY]), Some(13 * SECOND)), 12 * SECOND, "all there is");
    assert_eq!(by(&chain(&[HEALTHY, HEALTHY]), Some(13 * SECOND)), 11 * SECOND, "a second for the next");
    assert_eq!(by(&chain(&[HEALTHY, p50(SECOND)]), Some(13 * SECOND)), 9 * SECOND, "three of its medians");
    assert_eq!(by(&chain(&[HEALTHY, p50(8500 * MS)]), Some(13 * SECOND)), 1375 * MS, "or it could not start");
    assert_eq!(by(&chain(&[HEALTHY, p50(8 * SECOND), HEALTHY]), Some(13 * SECOND)), SECOND, "the least of both");
    assert_eq!(by(&chain(&[HEALTHY, PAUSED]), Some(13 * SECOND)), 12 * SECOND, "nobody waits for the unavailable");
    assert_eq!(by(&chain(&[p50(8 * SECOND), p50(8 * SECOND)]), Some(13 * SECOND)), 10 * SECOND, "the preferred first");
    assert_eq!(by(&chain(&[HEALTHY; 50]), Some(2 * SECOND)), 250 * MS, "not for a whole group");
    let quick = Candidate { limit_ns: 4 * SECOND, ..HEALTHY };
    assert_eq!(by(&chain(&[quick, HEALTHY]), Some(13 * SECOND)), 4 * SECOND, "its limit is shorter");
}

#[test]
fn nobody_is_called_without_the_time_for_it() {
    let slow = Candidate { p50_ns: Some(3 * SECOND), ..HEALTHY };
    let chain = Chain::new(&[slow, HEALTHY]);
    assert_eq!(called(chain.attempts(Some(2 * SECOND)).next(&chain, 0, 0)), 1);
    let chain = Chain::new(&[slow, slow]);
    assert_eq!(chain.attempts(Some(2 * SECOND)).next(&chain, 0, 0), Step::Over(Over::BudgetSpent));
    let chain = Chain::new(&[HEALTHY]);
    assert_eq!(chain.attempts(Some(SECOND)).next(&chain, SECOND, 0), Step::Over(Over::BudgetSpent));
    let mut attempts = chain.attempts(Some(SECOND));
    called(attempts.next(&chain, 0, 0));
    attempts.note_failure(TIMED_OUT, SECOND);
    assert_eq!(attempts.next(&chain, SECOND, 0), Step::Over(Over::BudgetSpent));
}

#[test]
fn a_wait_leaves_room_for_the_call_after_it() {
    let chain = Chain::new(&[Candidate { p50_ns: Some(800 * MS), ..HEALTHY }]);
    let mut attempts = chain.attempts(Some(1200 * MS));
    called(attempts.next(&chain, 0, 0));
    attempts.note_failure(FAILED, 100 * MS);
    assert_eq!(attempts.next(&chain, 100 * MS, u64::MAX), Step::Wait { candidate: 0, until_ns: 200 * MS });
    let chain = Chain::new(&[HEALTHY, HEALTHY]);
    let mut attempts = chain.attempts(Some(2 * SECOND));
    called(attempts.next(&chain, 0, 0));
    attempts.note_failure(told(800 * MS), 0);
    assert_eq!(called(attempts.next(&chain, 0, 0)), 1, "the wait would take the other's time");
}

#[test]
fn the_last_call_is_known_as_such() {
    let mut chain = Chain::new(&[HEALTHY, Candidate { retries: 0, ..HEALTHY }]);
    let mut attempts = chain.attempts(Some(12 * SECOND));
    assert!(!attempts.is_last(&chain, 0), "nothing is under way");
    let mut is_last = Vec::new();
    for _ in 0..4 {
        let mut now_ns = 0;
        while let Step::Wait { until_ns, .. } = attempts.next(&chain, now_ns, 0) {
            now_ns = until_ns;
        }
        is_last.push(attempts.is_last(&chain, 0));
        attempts.note_failure(FAILED, 0);
    }
    assert_eq!(is_last, [false, false, false, true]);
    assert_eq!(chain.retries_left.get(), 98, "asking is free");

    let mut attempts = chain.attempts(Some(12 * SECOND));
    called(attempts.next(&chain, 0, 0));
    attempts.note_failure(verdict(Action::Move, Reason::ContextTooLong), 0);
    chain.candidates[0].retries = 0;
    called(attempts.next(&chain, 0, 0));
    assert!(attempts.is_last(&chain, 0));

    let chain = Chain::new(&[Candidate { retries: 0, ..HEALTHY }, PAUSED]);
    let mut attempts = chain.attempts(Some(12 * SECOND));
    called(attempts.next(&chain, 0, 0));
    assert!(!attempts.is_last(&chain, 0), "the unavailable are a last resort too");
    assert!(attempts.is_last(&chain, 12 * SECOND), "there is no time left for it");
}

#[test]
fn many_candidates_and_none() {
    let chain = Chain::new(&[Candidate { retries: 0, ..HEALTHY }; 20]);
    let (calls, over) = run_all(&chain, &[FAILED; 20]);
    assert_eq!((calls, over), ((0..20).collect(), Some(Over::Exhausted)));
    let chain = Chain::new(&[]);
    assert_eq!(chain.attempts(None).next(&chain, 0, 0), Step::Over(Over::Exhausted));
}
