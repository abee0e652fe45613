//! An outage in virtual time: the very attempts, breakers and budgets that serve requests, before a provider that fails.
//!
//! A discrete-event simulation. Requests arrive at random (Poisson) for a model with a primary and a healthy fallback;
//! the primary fails a share of its calls for a while. Times to first content are log-normal. Every draw comes from the
//! scenario's seed, so a run repeats to the byte.

mod arms;
mod random;
mod report;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use self::arms::{Gateway, Plan};
use self::random::Random;
pub use self::report::Report;
use self::report::Tally;
use super::attempts::Step;
use super::{Action, Reason, Verdict};
use crate::tables::Resilience;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
/// The failing provider's index in the chain.
const PRIMARY: usize = 0;
/// Bounds of a scenario: more would take hours, or more memory than there is.
const PERIOD_MAX_S: u32 = 3600;
const REQUESTS_PER_SECOND_MAX: u32 = 100_000;
const TIME_MAX_MS: u64 = 3_600_000;

/// What is simulated.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Who answers the requests.
    pub variant: Variant,
    /// Of all that is random.
    pub seed: u64,
    /// On average.
    pub requests_per_second: u32,
    /// How long all goes well at first.
    pub before_s: u32,
    /// How long the primary then fails.
    pub outage_s: u32,
    /// How long it has recovered.
    pub after_s: u32,
    /// Calls of the primary that fail meanwhile, in a thousand.
    pub failing_permille: u32,
    /// How they fail.
    pub failure: Failure,
    /// Median time to a failure that is one at once.
    pub error_ms: u64,
    /// Median times to first content: of the primary, of the fallback.
    pub first_content_ms: [u64; 2],
    /// Time-out to first content.
    pub first_content_limit_ms: u64,
    /// Wall clock from receipt to commit.
    pub budget_ms: Option<u64>,
    /// Settings of the gateway.
    pub resilience: Resilience,
}

/// Who answers the requests.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// Everything as in the gateway.
    Fastgate,
    /// The same, but everybody is always available: no breaker, no pause, no limit of calls under way.
    NoBreaker,
    /// What a client does by itself: three calls of the primary, 250 ms apart, each up to the time-out; no wall clock,
    /// no budget of retries, no breaker, no fallback.
    PlainRetries,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// With a status 500, soon.
    Error,
    /// Nothing comes until the call is given up.
    Hang,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    Arrival,
    /// A wait is over.
    Resumed(usize),
    /// The call under way has ended.
    Ended(usize),
}

struct Exchange {
    arrived_ns: u64,
    plan: Plan,
    /// Candidates that were called.
    called: [bool; 2],
    call: Option<Call>,
}

#[derive(Clone, Copy)]
struct Call {
    candidate: usize,
    begun_ns: u64,
    /// `None`: answered.
    verdict: Option<Verdict>,
}

struct Simulation<'a> {
    scenario: &'a Scenario,
    gateway: Gateway<'a>,
    random: Random,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// Events of the same moment come in the order in which they were planned.
    planned: u64,
    exchanges: Vec<Option<Exchange>>,
    free: Vec<usize>,
    tally: Tally,
}

/// The same over JSON: a [`Scenario`] in, a [`Report`] out.
///
/// # Errors
/// Says what is wrong with the scenario.
pub fn simulate_json(scenario: &[u8]) -> Result<Vec<u8>, String> {
    let scenario: Scenario = serde_json::from_slice(scenario).map_err(|error| error.to_string())?;
    scenario.check()?;
    serde_json::to_vec(&simulate(&scenario)).map_err(|error| error.to_string())
}

/// Runs a scenario to its end.
#[must_use]
pub fn simulate(scenario: &Scenario) -> Report {
    let mut simulation = Simulation {
        scenario,
        gateway: Gateway::new(scenario),
        random: Random::new(scenario.seed),
        events: BinaryHeap::new(),
        planned: 0,
        exchanges: Vec::new(),
        free: Vec::new(),
        tally: Tally::new(scenario),
    };
    simulation.plan(0, Event::Arrival);
    while let Some(Reverse((now_ns, _, event))) = simulation.events.pop() {
        match event {
            Event::Arrival => simulation.arrive(now_ns),
            Event::Resumed(exchange) => simulation.go_on(exchange, now_ns),
            Event::Ended(exchange) => simulation.end_call(exchange, now_ns),
        }
    }
    simulation.tally.report(scenario)
}

impl Scenario {
    fn check(&self) -> Result<(), String> {
        if [self.before_s, self.outage_s, self.after_s].iter().any(|period_s| *period_s > PERIOD_MAX_S) {
            return Err(format!("no period may be longer than {PERIOD_MAX_S} s"));
        }
        if !(1..=REQUESTS_PER_SECOND_MAX).contains(&self.requests_per_second) {
            return Err(format!("requests_per_second must be from 1 to {REQUESTS_PER_SECOND_MAX}"));
        }
        let times_ms = [self.error_ms, self.first_content_limit_ms, self.budget_ms.unwrap_or(0)];
        if times_ms.iter().chain(&self.first_content_ms).any(|time_ms| *time_ms > TIME_MAX_MS) {
            return Err(format!("no time may be longer than {TIME_MAX_MS} ms"));
        }
        Ok(())
    }

    fn end_ns(&self) -> u64 {
        u64::from(self.before_s + self.outage_s + self.after_s) * SECOND
    }

    fn outage_ns(&self) -> std::ops::Range<u64> {
        u64::from(self.before_s) * SECOND..u64::from(self.before_s + self.outage_s) * SECOND
    }
}

impl Simulation<'_> {
    fn plan(&mut self, at_ns: u64, event: Event) {
        self.events.push(Reverse((at_ns, self.planned, event)));
        self.planned += 1;
    }

    fn arrive(&mut self, now_ns: u64) {
        let gap_ns = self.random.exponential(SECOND / u64::from(self.scenario.requests_per_second));
        if now_ns + gap_ns < self.scenario.end_ns() {
            self.plan(now_ns + gap_ns, Event::Arrival);
        }
        self.tally.arrived(now_ns);
        let plan = self.gateway.plan(now_ns);
        let exchange = Exchange { arrived_ns: now_ns, plan, called: [false; 2], call: None };
        let index = self.free.pop().unwrap_or(self.exchanges.len());
        if index == self.exchanges.len() {
            self.exchanges.push(None);
        }
        self.exchanges[index] = Some(exchange);
        self.go_on(index, now_ns);
    }

    fn go_on(&mut self, index: usize, now_ns: u64) {
        let Some(exchange) = &mut self.exchanges[index] else { return };
        match exchange.plan.next(&self.gateway, now_ns, self.random.draw()) {
            Step::Wait { until_ns, .. } => self.plan(until_ns, Event::Resumed(index)),
            Step::Over(_) => self.leave(index, now_ns, false),
            Step::Call { candidate, first_content_by_ns } => {
                let is_repeat = std::mem::replace(&mut exchange.called[candidate], true);
                let (ended_ns, verdict) =
                    outcome(self.scenario, &mut self.random, candidate, now_ns, first_content_by_ns);
                exchange.call = Some(Call { candidate, begun_ns: now_ns, verdict });
                self.gateway.begin(candidate, is_repeat, now_ns);
                if candidate == PRIMARY {
                    self.tally.called_primary(now_ns, is_repeat);
                }
                self.plan(ended_ns, Event::Ended(index));
            }
        }
    }

    fn end_call(&mut self, index: usize, now_ns: u64) {
        let Some(exchange) = &mut self.exchanges[index] else { return };
        let Some(Call { candidate, begun_ns, verdict }) = exchange.call.take() else { return };
        self.gateway.end(candidate, begun_ns, verdict.as_ref(), now_ns);
        match verdict {
            None => self.leave(index, now_ns, true),
            Some(verdict) => {
                exchange.plan.note_failure(verdict, now_ns);
                self.go_on(index, now_ns);
            }
        }
    }

    fn leave(&mut self, index: usize, now_ns: u64, is_answered: bool) {
        if let Some(exchange) = self.exchanges[index].take() {
            self.tally.left(exchange.arrived_ns, now_ns, is_answered);
            self.free.push(index);
        }
    }
}

/// When a call that begins now ends, and why it fails.
fn outcome(
    scenario: &Scenario,
    random: &mut Random,
    candidate: usize,
    now_ns: u64,
    first_content_by_ns: u64,
) -> (u64, Option<Verdict>) {
    let is_failing = candidate == PRIMARY
        && scenario.outage_ns().contains(&now_ns)
        && random.below(1000) < u64::from(scenario.failing_permille);
    let failed = |reason| Some(Verdict { action: Action::Wait, reason, pause_ns: None });
    let (reason, median_ms) = match scenario.failure {
        _ if !is_failing => (None, scenario.first_content_ms[candidate]),
        Failure::Error => (Some(Reason::ServerError), scenario.error_ms),
        Failure::Hang => return (first_content_by_ns, failed(Reason::TimedOut)),
    };
    let ended_ns = now_ns.saturating_add(random.log_normal(median_ms * MS));
    if ended_ns > first_content_by_ns {
        return (first_content_by_ns, failed(Reason::TimedOut));
    }
    (ended_ns, reason.and_then(failed))
}

#[cfg(test)]
#[path = "simulation_tests.rs"]
mod tests;
