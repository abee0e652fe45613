//! One identity's use of one resource in one kind of window: rates, quotas and concurrency behind one set of functions.
//!
//! Asking ([`Meter::check`]) and taking ([`Meter::hold`]) are two calls under one lock of the caller's. A hard limit
//! gives an upper bound as cost, a soft one an estimate; the meter is the same, and books what was used, even where that
//! is more than there was. Amounts are arguments: a limit that is changed keeps what was used.

use std::sync::Arc;

use super::calendar::Periods;
use super::calendar_quota::CalendarQuota;
use super::concurrency::Concurrency;
use super::gcra::UNITS_MAX;
use super::holds::HoldId;
use super::now::Now;
use super::rate::RateLimit;
use super::refusal::{Refusal, Standing};
use super::sliding::Sliding;
use crate::tables::limits::{LimitRule, Resource, Scope, Window};

const MILLISECOND_NS: u64 = 1_000_000;

/// What a rule's meters are, prepared.
#[derive(Clone, Debug)]
pub struct MeterSpec {
    /// What is counted.
    pub resource: Resource,
    /// What has a count of its own.
    pub per: Vec<Scope>,
    /// The meter of those who come when there is no room for more identities; each rule has one.
    pub shared_meter: u128,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Rate { period_ns: u64 },
    Sliding { window_ns: u64 },
    Calendar(Arc<Periods>),
    Concurrent,
}

/// How much a meter lets through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allowance {
    /// Units, or picodollars.
    pub amount: u64,
    /// Of a rate: how much may come at once. Else without meaning.
    pub burst: u64,
}

/// What was used and what is reserved. In boxes, so that a table of many identities is not as wide as the widest.
#[derive(Clone, Debug)]
pub struct Meter(Kinds);

#[derive(Clone, Debug)]
enum Kinds {
    Rate(Box<RateLimit>),
    Sliding(Box<Sliding>),
    Calendar(Box<CalendarQuota>),
    Concurrent(Box<Concurrency>),
}

impl MeterSpec {
    /// # Errors
    /// The rule's window does not go with its resource, or one of its numbers is out of range.
    pub(super) fn prepare(rule: &LimitRule, shared_meter: u128) -> Result<Self, String> {
        if (rule.resource == Resource::Concurrent) != (rule.window == Window::None) {
            return Err("what is concurrent has no window, and everything else has one".into());
        }
        let kind = match &rule.window {
            Window::None => Kind::Concurrent,
            Window::Rate { period_ms, burst } => {
                let period_ns = nanoseconds(*period_ms)?;
                let largest = rule.key_amounts.values().fold(rule.amount, |largest, amount| largest.max(*amount));
                if largest.max(*burst).max(period_ns) > UNITS_MAX || *burst == 0 {
                    return Err(format!("a rate's amount and burst must be from 1 to {UNITS_MAX}"));
                }
                Kind::Rate { period_ns }
            }
            Window::Sliding { window_ms } => Kind::Sliding { window_ns: nanoseconds(*window_ms)? },
            Window::Calendar { period, time_zone } => Kind::Calendar(Arc::new(Periods::prepare(*period, time_zone)?)),
        };
        Ok(Self { resource: rule.resource, per: rule.per.clone(), shared_meter, kind })
    }

    /// Whether a cost that is taken in several pieces is more than there ever is. A rate may take it over time.
    #[must_use]
    pub const fn never_fits(&self, cost: u64, allowance: Allowance) -> bool {
        !matches!(self.kind, Kind::Rate { .. }) && cost > allowance.amount
    }
}

fn nanoseconds(ms: u64) -> Result<u64, String> {
    ms.checked_mul(MILLISECOND_NS).filter(|ns| *ns > 0).ok_or_else(|| format!("a window of {ms} ms is out of range"))
}

impl Meter {
    /// An unused meter. Its allowance is a rate's until [`Self::check`] is given another one; the others need none.
    #[must_use]
    pub fn new(spec: &MeterSpec, allowance: Allowance, now: Now) -> Self {
        Self(match &spec.kind {
            Kind::Rate { period_ns } => Kinds::Rate(Box::new(RateLimit::new(*period_ns, allowance))),
            Kind::Sliding { window_ns } => Kinds::Sliding(Box::new(Sliding::new(*window_ns, now.steady_ns))),
            Kind::Calendar(periods) => Kinds::Calendar(Box::new(CalendarQuota::new(Arc::clone(periods), now.unix_s))),
            Kind::Concurrent => Kinds::Concurrent(Box::new(Concurrency::new())),
        })
    }

    /// Whether `cost` fits. Changes nothing but the time.
    ///
    /// # Errors
    /// Why it does not. A cost of 0 is refused in debt alone.
    pub fn check(&mut self, cost: u64, allowance: Allowance, now: Now) -> Result<(), Refusal> {
        match &mut self.0 {
            Kinds::Rate(rate) => rate.check(cost, allowance, now.steady_ns),
            Kinds::Sliding(quota) => quota.check(cost, allowance.amount, now.steady_ns),
            Kinds::Calendar(quota) => quota.check(cost, allowance.amount, now.unix_s),
            Kinds::Concurrent(concurrency) => concurrency.check(cost, allowance.amount),
        }
    }

    /// Reserves `cost`, whether or not it fits: call after [`Self::check`].
    pub fn hold(&mut self, cost: u64, now: Now) -> HoldId {
        match &mut self.0 {
            Kinds::Rate(rate) => rate.hold(cost, now.steady_ns),
            Kinds::Sliding(quota) => quota.hold(cost, now.steady_ns),
            Kinds::Calendar(quota) => quota.hold(cost, now.unix_s),
            Kinds::Concurrent(concurrency) => concurrency.hold(cost),
        }
    }

    /// Makes a reservation final at what was used, less or more; more may leave the meter in debt. `None` keeps the cost
    /// as reserved. Of what is concurrent, it is over either way. Whether it was still open; else nothing changes.
    pub fn settle(&mut self, id: HoldId, used: Option<u64>, now: Now) -> bool {
        match &mut self.0 {
            Kinds::Rate(rate) => rate.settle(id, used, now.steady_ns),
            Kinds::Sliding(quota) => quota.settle(id, used),
            Kinds::Calendar(quota) => quota.settle(id, used),
            Kinds::Concurrent(concurrency) => concurrency.settle(id),
        }
    }

    /// Books what was used at some time, without asking: what is replayed. It may be debt. What was used in a window or
    /// period that is over has no effect, and neither has what is concurrent.
    ///
    /// `at` must not lie in the future, where the meter would then wait for the present. A rate takes what comes out of
    /// order for the latest it has seen, which is on the strict side.
    pub fn add(&mut self, used: u64, at: Now) {
        match &mut self.0 {
            Kinds::Rate(rate) => rate.add(used, at.steady_ns),
            Kinds::Sliding(quota) => quota.add(used, at.steady_ns),
            Kinds::Calendar(quota) => quota.add(used, at.unix_s),
            Kinds::Concurrent(_) => {}
        }
    }

    /// Where it stands against an allowance.
    pub fn standing(&mut self, allowance: Allowance, now: Now) -> Standing {
        match &mut self.0 {
            Kinds::Rate(rate) => rate.standing(allowance, now.steady_ns),
            Kinds::Sliding(quota) => quota.standing(allowance.amount, now.steady_ns),
            Kinds::Calendar(quota) => quota.standing(allowance.amount, now.unix_s),
            Kinds::Concurrent(concurrency) => concurrency.standing(allowance.amount),
        }
    }

    /// Whether it is as good as new, so that it may be dropped and made again. It never is while a reservation is open.
    pub fn is_idle(&mut self, now: Now) -> bool {
        match &mut self.0 {
            Kinds::Rate(rate) => rate.is_idle(now.steady_ns),
            Kinds::Sliding(quota) => quota.is_idle(now.steady_ns),
            Kinds::Calendar(quota) => quota.is_idle(now.unix_s),
            Kinds::Concurrent(concurrency) => concurrency.is_idle(),
        }
    }

    /// Frees memory that many reservations at once needed.
    pub fn shrink(&mut self) {
        match &mut self.0 {
            Kinds::Rate(rate) => rate.shrink(),
            Kinds::Sliding(quota) => quota.shrink(),
            Kinds::Calendar(quota) => quota.shrink(),
            Kinds::Concurrent(concurrency) => concurrency.shrink(),
        }
    }
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
