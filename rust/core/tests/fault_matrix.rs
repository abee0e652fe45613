//! Every failure after every other, in chains of one to three, on a virtual clock: the calls of a client's one request
//! are bounded, in number and in time, nothing is hidden and nobody is given up who could still be asked.

use std::cell::Cell;

use fastgate_core::resilience::attempts::{Attempts, Conditions, Limits, Over, Step};
use fastgate_core::resilience::retry_budget::{BURST, RetryBudget};
use fastgate_core::resilience::{Action, REASONS, Reason, Verdict};
use proptest::prelude::*;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const START: u64 = 1_000_000 * SECOND;
const LIMITS: Limits = Limits { backoff_ns: 250 * MS, backoff_max_ns: 2 * SECOND, wait_max_ns: 5 * SECOND };
/// More steps than any exchange takes, and one that does not end takes.
const STEPS_MAX: usize = 100;
const ACTIONS: [Action; 4] = [Action::Wait, Action::Move, Action::Stop, Action::DisableKey];

#[derive(Clone, Copy, Debug)]
struct Candidate {
    retries: u32,
    /// It is unavailable before.
    from_ns: u64,
    /// It has no room, whenever it is asked.
    is_full: bool,
    p50_ns: Option<u64>,
    limit_ns: u64,
    cures: bool,
}

const HEALTHY: Candidate =
    Candidate { retries: 2, from_ns: 0, is_full: false, p50_ns: None, limit_ns: 30 * SECOND, cures: true };

/// How a call ends, and after how long if nobody ends it before. `None`: well.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    verdict: Option<Verdict>,
    after_ns: u64,
}

struct World<'a> {
    candidates: &'a [Candidate],
    budget: &'a RetryBudget,
    taken: Cell<u32>,
}

impl<'a> World<'a> {
    fn new(candidates: &'a [Candidate], budget: &'a RetryBudget) -> Self {
        Self { candidates, budget, taken: Cell::new(0) }
    }
}

impl Conditions for World<'_> {
    fn retries(&self, candidate: usize) -> u32 {
        self.candidates[candidate].retries
    }
    fn is_available(&self, candidate: usize, now_ns: u64) -> bool {
        let Candidate { from_ns, is_full, .. } = self.candidates[candidate];
        now_ns >= from_ns && !is_full
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
    fn take_retry(&self, _: usize, now_ns: u64) -> bool {
        let taken = self.budget.withdraw(now_ns);
        self.taken.set(self.taken.get() + u32::from(taken));
        taken
    }
}

#[derive(Clone, Copy, Debug)]
struct Call {
    candidate: usize,
    begun_ns: u64,
    by_ns: u64,
    ended_ns: u64,
    verdict: Option<Verdict>,
    was_last: bool,
}

/// How an exchange went. `over` is `None` when it was answered.
#[derive(Debug)]
struct Trace {
    calls: Vec<Call>,
    waits: Vec<(usize, u64, u64)>,
    over: Option<Over>,
    ended_ns: u64,
}

fn run(world: &World, deadline_ns: Option<u64>, outcome: impl Fn(usize) -> Outcome, mut random: u64) -> Trace {
    let mut attempts = Attempts::new(world.candidates.len(), deadline_ns, LIMITS);
    let mut trace = Trace { calls: Vec::new(), waits: Vec::new(), over: None, ended_ns: START };
    for _ in 0..STEPS_MAX {
        let now_ns = trace.ended_ns;
        random = random.rotate_left(7) ^ 0x9e37_79b9_7f4a_7c15;
        match attempts.next(world, now_ns, random) {
            Step::Over(over) => {
                trace.over = Some(over);
                assert_eq!(attempts.next(world, now_ns, random), Step::Over(over), "an end is one");
                assert_eq!(attempts.calls() as usize, trace.calls.len());
                return trace;
            }
            Step::Wait { candidate, until_ns } => {
                trace.waits.push((candidate, now_ns, until_ns));
                trace.ended_ns = until_ns;
            }
            Step::Call { candidate, first_content_by_ns: by_ns } => {
                let taken = world.taken.get();
                let was_last = attempts.is_last(world, now_ns);
                assert_eq!(world.taken.get(), taken, "asking is free");
                let Outcome { mut verdict, after_ns } = outcome(trace.calls.len());
                let mut ended_ns = now_ns.saturating_add(after_ns);
                if ended_ns > by_ns {
                    ended_ns = by_ns;
                    verdict = Some(Verdict { action: Action::Wait, reason: Reason::TimedOut, pause_ns: None });
                }
                trace.calls.push(Call { candidate, begun_ns: now_ns, by_ns, ended_ns, verdict, was_last });
                trace.ended_ns = ended_ns;
                match verdict {
                    None => return trace,
                    Some(verdict) => attempts.note_failure(verdict, ended_ns),
                }
            }
        }
    }
    panic!("it does not end: {trace:?}");
}

/// Everything that holds for every exchange.
fn check(world: &World, deadline_ns: Option<u64>, trace: &Trace) {
    check_calls(world, trace);
    check_times(world, deadline_ns, trace);
    check_moves(world, deadline_ns, trace);
    check_end(world, deadline_ns, trace);
}

fn check_calls(world: &World, trace: &Trace) {
    for (index, candidate) in world.candidates.iter().enumerate() {
        let of_it = || trace.calls.iter().filter(|call| call.candidate == index);
        let first_reason = of_it().next().and_then(|call| call.verdict).map(|verdict| verdict.reason);
        let most = if first_reason == Some(Reason::TimedOut) { 2 } else { 3 };
        assert!(of_it().count() <= most.min(1 + candidate.retries as usize), "too many calls: {trace:?}");
    }
    let repeats = trace.calls.iter().enumerate().filter(|(index, call)| {
        let before = trace.calls[..*index].iter().rfind(|before| before.candidate == call.candidate);
        before.and_then(|before| before.verdict).is_some_and(|verdict| verdict.action != Action::DisableKey)
    });
    // A repeat that its candidate missed by becoming unavailable is paid for as well.
    assert!(repeats.count() <= world.taken.get() as usize, "a repeat that was not paid for: {trace:?}");
    for pair in trace.calls.windows(2) {
        assert!(!pair[0].was_last, "there was another call after the last: {trace:?}");
    }
}

fn check_times(world: &World, deadline_ns: Option<u64>, trace: &Trace) {
    for call in &trace.calls {
        let Candidate { p50_ns, limit_ns, .. } = world.candidates[call.candidate];
        assert!(call.by_ns > call.begun_ns && call.by_ns - call.begun_ns <= limit_ns, "{trace:?}");
        if let Some(deadline_ns) = deadline_ns {
            assert!(call.by_ns <= deadline_ns && call.begun_ns < deadline_ns, "{trace:?}");
            assert!(p50_ns.unwrap_or(0) <= deadline_ns - call.begun_ns, "begun without the time for it: {trace:?}");
        }
    }
    for (candidate, from_ns, until_ns) in &trace.waits {
        assert!(until_ns > from_ns, "{trace:?}");
        let room_ns = world.candidates[*candidate].p50_ns.unwrap_or(1);
        assert!(deadline_ns.is_none_or(|deadline_ns| until_ns + room_ns <= deadline_ns), "no room: {trace:?}");
        assert!(deadline_ns.is_some() || until_ns - from_ns <= 60 * SECOND, "{trace:?}");
    }
    assert!(deadline_ns.is_none_or(|deadline_ns| trace.ended_ns <= deadline_ns + 50 * MS), "{trace:?}");
}

fn check_moves(world: &World, deadline_ns: Option<u64>, trace: &Trace) {
    for (index, call) in trace.calls.iter().enumerate() {
        let before = &trace.calls[..index];
        for failed in before {
            let Some(verdict) = failed.verdict else { panic!("it went on after an answer: {trace:?}") };
            let is_same = failed.candidate == call.candidate;
            let is_time_out = verdict.reason == Reason::TimedOut;
            let goes_on = matches!(verdict.action, Action::Wait | Action::DisableKey) || is_time_out;
            assert!(!is_same || goes_on, "called again: {trace:?}");
            if let Some(pause_ns) = verdict.pause_ns
                && matches!(verdict.action, Action::Wait)
            {
                let since_ns = call.begun_ns - failed.ended_ns;
                assert!(!is_same || since_ns >= pause_ns, "called before the hint is over: {trace:?}");
            }
            if is_to_cure(verdict.reason) && !is_same {
                assert!(world.candidates[call.candidate].cures, "it cannot cure that: {trace:?}");
            }
        }
        // Who has not been tried and could be comes before who could not.
        let is_first = before.iter().all(|before| before.candidate != call.candidate);
        if is_first && !world.is_available(call.candidate, call.begun_ns) {
            let other = (0..world.candidates.len()).find(|other| {
                is_left(world, deadline_ns, trace, index, *other, call.begun_ns)
                    && world.is_available(*other, call.begun_ns)
            });
            assert!(other.is_none(), "an unavailable one was called in place of another: {trace:?}");
        }
    }
}

fn check_end(world: &World, deadline_ns: Option<u64>, trace: &Trace) {
    let asked = |call: &&Call| call.verdict.is_some_and(|verdict| verdict.reason != Reason::Drill);
    let primary = trace.calls.iter().find(asked).map(|call| call.candidate);
    let is_stop = |call: &Call| call.verdict.is_some_and(|verdict| verdict.action == Action::Stop);
    // A drill sends nothing: until then nobody has been asked.
    let stops = |call: &Call| is_stop(call) && primary.is_none_or(|primary| primary == call.candidate);
    let stopped = trace.calls.iter().position(stops);
    match stopped {
        Some(index) => {
            let own = trace.calls[..index].iter().filter(asked).all(|call| Some(call.candidate) == primary);
            if own {
                assert_eq!(index + 1, trace.calls.len(), "it went on after a stop: {trace:?}");
                assert_eq!(trace.over, Some(Over::Stopped), "{trace:?}");
            }
        }
        None => assert_ne!(trace.over, Some(Over::Stopped), "a fallback's complaint hides the primary: {trace:?}"),
    }
    if matches!(trace.over, Some(Over::Exhausted | Over::BudgetSpent)) {
        for candidate in 0..world.candidates.len() {
            let was_left_out = is_left(world, deadline_ns, trace, trace.calls.len(), candidate, trace.ended_ns);
            assert!(!was_left_out, "{candidate} was never asked: {trace:?}");
        }
    }
    if trace.over == Some(Over::BudgetSpent) {
        let Some(deadline_ns) = deadline_ns else { panic!("there was no budget to spend: {trace:?}") };
        let needs = world.candidates.iter().filter_map(|candidate| candidate.p50_ns).max().unwrap_or(0);
        assert!(deadline_ns - trace.ended_ns.min(deadline_ns) <= needs, "there was time: {trace:?}");
    }
}

fn is_to_cure(reason: Reason) -> bool {
    matches!(reason, Reason::ContextTooLong | Reason::ModelNotFound)
}

/// Whether `candidate` could have been called at `now_ns` after the first `calls` and had not been.
fn is_left(
    world: &World,
    deadline_ns: Option<u64>,
    trace: &Trace,
    calls: usize,
    candidate: usize,
    now_ns: u64,
) -> bool {
    let Candidate { cures, p50_ns, .. } = world.candidates[candidate];
    let to_cure = trace.calls[..calls].iter().filter_map(|call| call.verdict).any(|verdict| is_to_cure(verdict.reason));
    let has_time =
        deadline_ns.is_none_or(|deadline_ns| now_ns < deadline_ns && p50_ns.unwrap_or(0) <= deadline_ns - now_ns);
    trace.calls[..calls].iter().all(|call| call.candidate != candidate) && (cures || !to_cure) && has_time
}

fn check_run(
    candidates: &[Candidate],
    deadline_ns: Option<u64>,
    outcome: impl Fn(usize) -> Outcome,
    random: u64,
) -> Trace {
    let budget = RetryBudget::new(100, 1);
    let world = World::new(candidates, &budget);
    let trace = run(&world, deadline_ns, outcome, random);
    check(&world, deadline_ns, &trace);
    trace
}

fn verdicts(pauses_ns: &[Option<u64>]) -> Vec<Verdict> {
    let mut all = Vec::new();
    for action in ACTIONS {
        for reason in REASONS {
            all.extend(pauses_ns.iter().map(|pause_ns| Verdict { action, reason, pause_ns: *pause_ns }));
        }
    }
    all
}

/// Every verdict after every other, with and without hints, quick and slow, in chains of two with one clock or none.
#[test]
fn every_failure_after_every_other() {
    let mut outcomes = Vec::new();
    for verdict in verdicts(&[None, Some(300 * MS), Some(10 * SECOND)]) {
        outcomes.extend([MS, 40 * SECOND].map(|after_ns| Outcome { verdict: Some(verdict), after_ns }));
    }
    let paused = Candidate { from_ns: START + SECOND, ..HEALTHY };
    let helpless = Candidate { cures: false, p50_ns: Some(400 * MS), ..HEALTHY };
    let chains = [[HEALTHY, HEALTHY], [paused, helpless]];
    for (number, candidates) in chains.iter().enumerate() {
        for deadline_ns in [None, Some(START + 1500 * MS), Some(START + 12 * SECOND)] {
            for (index, first) in outcomes.iter().enumerate() {
                for second in &outcomes {
                    let outcome = |call: usize| if call.is_multiple_of(2) { *first } else { *second };
                    check_run(candidates, deadline_ns, outcome, (index + number) as u64);
                }
            }
        }
    }
}

/// Every row of five out of what providers do, in chains of one to three.
#[test]
fn every_row_of_failures() {
    let failed =
        |action, reason, pause_ns, after_ns| Outcome { verdict: Some(Verdict { action, reason, pause_ns }), after_ns };
    let outcomes = [
        failed(Action::Wait, Reason::ServerError, None, 20 * MS),
        failed(Action::Wait, Reason::Overloaded, Some(8 * SECOND), 20 * MS),
        failed(Action::Wait, Reason::RateLimited, Some(400 * MS), 20 * MS),
        failed(Action::Wait, Reason::TimedOut, None, 60 * SECOND),
        failed(Action::Move, Reason::ContextTooLong, None, 200 * MS),
        failed(Action::Move, Reason::QuotaSpent, None, 200 * MS),
        failed(Action::DisableKey, Reason::CredentialsRefused, None, 50 * MS),
        failed(Action::Stop, Reason::BadRequest, None, 100 * MS),
        failed(Action::Move, Reason::Drill, None, 0),
        Outcome { verdict: None, after_ns: 700 * MS },
    ];
    let known = Candidate { p50_ns: Some(600 * MS), ..HEALTHY };
    let full = Candidate { is_full: true, ..HEALTHY };
    let helpless = Candidate { cures: false, retries: 1, ..HEALTHY };
    let chains: [&[Candidate]; 5] =
        [&[HEALTHY], &[full], &[known, helpless], &[HEALTHY, full, known], &[helpless, known, HEALTHY]];
    let rows = outcomes.len().pow(5);
    for candidates in chains {
        for deadline_ns in [None, Some(START + 2 * SECOND), Some(START + 12 * SECOND)] {
            for row in 0..rows {
                let outcome = |call: usize| {
                    outcomes[row / outcomes.len().pow(u32::try_from(call % 5).unwrap_or(0)) % outcomes.len()]
                };
                check_run(candidates, deadline_ns, outcome, row as u64);
            }
        }
    }
}

/// Nobody answers at all: whoever has the time is asked, and the last resort is.
#[test]
fn hung_calls_leave_time_for_the_last_resort() {
    for p50_ms in [[50, 50, 50], [1, 900, 300], [1500, 100, 1500], [900, 900, 900], [3000, 3000, 3000]] {
        let candidates = p50_ms.map(|p50_ms| Candidate { p50_ns: Some(p50_ms * MS), ..HEALTHY });
        let needed_ns: u64 = p50_ms.iter().map(|p50_ms| p50_ms * MS * 5 / 4).sum();
        for budget_ns in [needed_ns, needed_ns + MS, 2 * needed_ns, 20 * needed_ns] {
            let hung = |_| Outcome { verdict: None, after_ns: u64::MAX };
            let trace = check_run(&candidates, Some(START + budget_ns), hung, 5);
            let asked: Vec<usize> = trace.calls.iter().take(3).map(|call| call.candidate).collect();
            assert_eq!(asked, [0, 1, 2], "{budget_ns} ns: {trace:?}");
            for call in trace.calls.iter().take(3) {
                let p50_ns = candidates[call.candidate].p50_ns.unwrap_or(0);
                assert!(call.by_ns - call.begun_ns >= p50_ns, "cut before it could answer: {trace:?}");
            }
        }
    }
}

fn candidate() -> impl Strategy<Value = Candidate> {
    let from_ns = prop_oneof![3 => Just(0), 1 => START..START + 20 * SECOND];
    let p50_ns = prop_oneof![Just(None), (MS..5 * SECOND).prop_map(Some)];
    (0_u32..=2, from_ns, prop::bool::weighted(0.1), p50_ns, MS..60 * SECOND, any::<bool>()).prop_map(
        |(retries, from_ns, is_full, p50_ns, limit_ns, cures)| Candidate {
            retries,
            from_ns,
            is_full,
            p50_ns,
            limit_ns,
            cures,
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let pause_ns =
        prop_oneof![3 => Just(None), 1 => (0..90 * SECOND).prop_map(Some), 1 => (0..6 * SECOND).prop_map(Some)];
    let verdict = (prop::sample::select(&ACTIONS[..]), prop::sample::select(&REASONS[..]), pause_ns)
        .prop_map(|(action, reason, pause_ns)| Verdict { action, reason, pause_ns });
    let after_ns = prop_oneof![Just(0), 0..SECOND, 0..70 * SECOND];
    (prop::option::weighted(0.95, verdict), after_ns).prop_map(|(verdict, after_ns)| Outcome { verdict, after_ns })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chain_and_any_failures(
        candidates in proptest::collection::vec(candidate(), 1..=10),
        outcomes in proptest::collection::vec(outcome(), 30),
        budget_ns in prop::option::of(prop_oneof![0..3 * SECOND, 0..60 * SECOND]),
        random in any::<u64>(),
    ) {
        let deadline_ns = budget_ns.map(|budget_ns| START + budget_ns);
        check_run(&candidates, deadline_ns, |call| outcomes[call % outcomes.len()], random);
    }
}

/// One provider that fails every call of very many exchanges: its budget bounds the repeats, a fallback gets the rest.
#[test]
fn repeats_of_all_exchanges_keep_to_the_budgets_law() {
    let budget = RetryBudget::new(100, 1);
    let failed = Verdict { action: Action::Wait, reason: Reason::ServerError, pause_ns: None };
    let (mut repeats, exchanges) = (0, 5000);
    for _ in 0..exchanges {
        budget.deposit();
        let world = World::new(&[HEALTHY], &budget);
        let trace = run(&world, None, |_| Outcome { verdict: Some(failed), after_ns: 0 }, u64::MAX);
        check(&world, None, &trace);
        repeats += trace.calls.len() as u64 - 1;
    }
    let elapsed_s = 1;
    assert!((490..=exchanges / 10 + elapsed_s + BURST).contains(&repeats), "{repeats}");
}
