//! What a simulation shows: who was answered and when, and how often the failing provider was called.

use serde::Serialize;

use super::{Failure, MS, SECOND, Scenario, Variant};
use crate::resilience::retry_budget::BURST;

/// Traffic is looked at in slices of this, for when it leaves and when it returns.
const SLICE_NS: u64 = 100 * MS;
/// Traffic has left when at most a tenth of a slice's requests is sent to the primary, and has returned when nine tenths
/// are in each of so many slices.
const RETURNED_SLICES: usize = 10;

/// How a scenario went. Requests count where they arrived, times are to the commit.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Who answered.
    pub variant: Variant,
    /// How the primary failed.
    pub failure: Failure,
    /// How many of its calls, in a thousand.
    pub failing_permille: u32,
    /// All requests.
    pub requests: u64,
    /// Of them answered.
    pub answered: u64,
    /// Requests that arrived during the outage.
    pub outage_requests: u64,
    /// Of them answered.
    pub outage_answered: u64,
    /// First calls of the primary during the outage.
    pub outage_first_calls: u64,
    /// Repeats on the primary during the outage.
    pub outage_retries: u64,
    /// As many the law allows for these first calls, this time, and the burst.
    pub outage_retries_allowed: u64,
    /// Time to commit of the outage's requests, those that were answered.
    pub outage_p50_ms: u64,
    /// The same.
    pub outage_p99_ms: u64,
    /// Of the requests before the outage.
    pub before_p99_ms: u64,
    /// From the outage's begin until at most a tenth of the traffic goes to the primary. `None`: it never does.
    pub left_after_ms: Option<u64>,
    /// From the outage's end until nine tenths go there again and stay. `None`: they never do.
    pub returned_after_ms: Option<u64>,
    /// Calls of the primary, second by second.
    pub primary_calls: Vec<u32>,
    /// Requests without an answer, by the second in which they arrived.
    pub unanswered: Vec<u32>,
}

/// What happened so far.
pub(super) struct Tally {
    outage_ns: std::ops::Range<u64>,
    arrivals: Vec<u32>,
    first_calls: Vec<u32>,
    repeats: Vec<u32>,
    unanswered: Vec<u32>,
    answered: u64,
    before_ns: Vec<u64>,
    during_ns: Vec<u64>,
}

impl Tally {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let slices = vec![0; slice(scenario.end_ns())];
        Self {
            outage_ns: scenario.outage_ns(),
            arrivals: slices.clone(),
            first_calls: slices.clone(),
            repeats: slices.clone(),
            unanswered: slices,
            answered: 0,
            before_ns: Vec::new(),
            during_ns: Vec::new(),
        }
    }

    pub(super) fn arrived(&mut self, now_ns: u64) {
        count(&mut self.arrivals, now_ns);
    }

    pub(super) fn called_primary(&mut self, now_ns: u64, is_repeat: bool) {
        count(if is_repeat { &mut self.repeats } else { &mut self.first_calls }, now_ns);
    }

    pub(super) fn left(&mut self, arrived_ns: u64, now_ns: u64, is_answered: bool) {
        if !is_answered {
            count(&mut self.unanswered, arrived_ns);
            return;
        }
        self.answered += 1;
        if self.outage_ns.contains(&arrived_ns) {
            self.during_ns.push(now_ns - arrived_ns);
        } else if arrived_ns < self.outage_ns.start {
            self.before_ns.push(now_ns - arrived_ns);
        }
    }

    pub(super) fn report(mut self, scenario: &Scenario) -> Report {
        let outage = slice(self.outage_ns.start)..slice(self.outage_ns.end);
        let outage_first_calls = sum(&self.first_calls[outage.clone()]);
        let settings = &scenario.resilience;
        let by_time = u64::from(scenario.outage_s) * u64::from(settings.retries_per_second);
        Report {
            variant: scenario.variant,
            failure: scenario.failure,
            failing_permille: scenario.failing_permille,
            requests: sum(&self.arrivals),
            answered: self.answered,
            outage_requests: sum(&self.arrivals[outage.clone()]),
            outage_answered: self.during_ns.len() as u64,
            outage_first_calls,
            outage_retries: sum(&self.repeats[outage.clone()]),
            outage_retries_allowed: outage_first_calls * u64::from(settings.retry_permille) / 1000 + by_time + BURST,
            outage_p50_ms: percentile_ms(&mut self.during_ns, 50),
            outage_p99_ms: percentile_ms(&mut self.during_ns, 99),
            before_p99_ms: percentile_ms(&mut self.before_ns, 99),
            left_after_ms: self.left_after(outage.clone()),
            returned_after_ms: self.returned_after(outage.end),
            primary_calls: by_second(&self.first_calls, &self.repeats),
            unanswered: by_second(&self.unanswered, &[]),
        }
    }

    fn left_after(&self, outage: std::ops::Range<usize>) -> Option<u64> {
        let begin = outage.start;
        let left = outage.into_iter().find(|at| self.first_calls[*at] * 10 <= self.arrivals[*at])?;
        Some((left - begin) as u64 * (SLICE_NS / MS))
    }

    fn returned_after(&self, outage_end: usize) -> Option<u64> {
        let is_there = |at: usize| self.first_calls[at] * 10 >= self.arrivals[at] * 9;
        let last = self.arrivals.len().checked_sub(RETURNED_SLICES)?;
        let returned = (outage_end..=last).find(|at| (*at..at + RETURNED_SLICES).all(is_there))?;
        Some((returned - outage_end) as u64 * (SLICE_NS / MS))
    }
}

fn slice(at_ns: u64) -> usize {
    usize::try_from(at_ns / SLICE_NS).unwrap_or(usize::MAX)
}

/// Calls may come after the last arrival.
fn count(slices: &mut [u32], at_ns: u64) {
    let at = slice(at_ns);
    if at < slices.len() {
        slices[at] += 1;
    }
}

fn sum(slices: &[u32]) -> u64 {
    slices.iter().map(|count| u64::from(*count)).sum()
}

fn by_second(some: &[u32], more: &[u32]) -> Vec<u32> {
    let per_second = usize::try_from(SECOND / SLICE_NS).unwrap_or(1);
    let mut seconds = vec![0; some.len().div_ceil(per_second)];
    for slices in [some, more] {
        for (at, count) in slices.iter().enumerate() {
            seconds[at / per_second] += count;
        }
    }
    seconds
}

/// 0 if there is none.
fn percentile_ms(times_ns: &mut [u64], percent: usize) -> u64 {
    times_ns.sort_unstable();
    let rank = (times_ns.len() * percent).div_ceil(100).saturating_sub(1);
    times_ns.get(rank).map_or(0, |time_ns| time_ns / MS)
}
