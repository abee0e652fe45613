//! What one exchange holds of its customer's limits, from before its first attempt until it is settled.

use fastgate_core::failure::Failure;
use fastgate_core::limits::{Amounts, Applied, Refusal};
use fastgate_core::tables::limits::{LimitRule, Resource};
use smallvec::SmallVec;

use super::book::{Ask, Denied};
use super::costs::Costs;
use super::customers::{Customers, who};
use super::denial::deny;
use super::events::Kind;
use super::held::Held;
use super::line::{Line, most};
use super::total::Total;
use crate::record::Record;

/// Counts are shown to operators by name from this share on.
const REMEMBERED_PERMILLE: u64 = 20;

/// Reservations, and where the limits stand. Its lists are on the heap: it is moved more often than they are read.
#[derive(Debug)]
pub(crate) struct Reservation {
    /// `None`: denied, or settled.
    held: Option<Held>,
    applied: Vec<Applied>,
    costs: Costs,
    /// Of every limit that applies, with the reservation in it.
    pub(super) lines: Vec<Line>,
    /// The rule that said no.
    pub(super) denied_by: Option<usize>,
}

impl Reservation {
    /// Reserves what a request may use of all limits that apply to it, or nothing.
    ///
    /// # Errors
    /// What to tell the client; the reservation says where the limits stand.
    pub(super) fn reserve(
        customers: &Customers,
        record: &Record,
        applied: Vec<Applied>,
        costs: Costs,
    ) -> (Self, Result<(), Failure>) {
        let (rules, limits) = (&record.snapshot.limit_rules, &record.snapshot.tables.limits);
        let now = customers.now(record.last_lap(), record.started_unix_s());
        let ask = |applied: &Applied| {
            let rule = &limits[applied.rule];
            Ask { applied: *applied, cost: capped(costs.of(rule), rule, applied) }
        };
        let asks: SmallVec<[Ask; 8]> = applied.iter().map(ask).collect();
        let (held, denied) = match customers.book.reserve(rules, &asks, now) {
            Ok(held) => (Some(held), None),
            Err(denied) => (None, Some(denied)),
        };
        let lines = match &held {
            Some(held) => {
                let lines = applied.iter().zip(held.standings());
                lines.map(|(applied, standing)| Line::new(&limits[applied.rule], applied, standing)).collect()
            }
            None => applied.iter().map(|applied| Line::of(customers, &record.snapshot, applied, now)).collect(),
        };
        let denied_by = denied.map(|denied| denied.rule);
        let reservation = Self { held, applied, costs, lines, denied_by };
        reservation.tell(customers, record, denied.as_ref());
        let failure = denied.map_or(Ok(()), |denied| Err(reservation.refuse(record, denied)));
        (reservation, failure)
    }

    /// Upper bounds that have to survive the process, failed attempts included; `None` where no hard limit applies.
    pub(super) fn hard_bounds(&self, record: &Record) -> Option<Amounts> {
        let limits = &record.snapshot.tables.limits;
        let is_hard = |rule: &LimitRule| rule.is_hard && rule.resource != Resource::Concurrent;
        let applies = self.applied.iter().any(|applied| is_hard(&limits[applied.rule]));
        applies.then(|| self.costs.bound.plus(Total::of_trail(record)))
    }

    /// Reserves anew what a failed attempt was billed for, so that the next one is as covered as the first.
    ///
    /// # Errors
    /// What to tell the client: there is no room for another attempt.
    pub(super) fn top_up(&mut self, customers: &Customers, record: &Record) -> Result<(), Failure> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let spent = Total::of_trail(record);
        let (rules, limits) = (&record.snapshot.limit_rules, &record.snapshot.tables.limits);
        let now = customers.now(record.last_lap(), record.started_unix_s());
        let ask = |applied: &Applied| {
            let rule = &limits[applied.rule];
            let cost = self.costs.of(rule).saturating_add(spent.of(rule.resource));
            Ask { applied: *applied, cost: capped(cost, rule, applied) }
        };
        let asks: SmallVec<[Ask; 8]> = self.applied.iter().map(ask).collect();
        customers.book.top_up(rules, held, &asks, now).map_err(|denied| {
            // The request fits; what is left does not cover another attempt at it.
            let reset_after_s = || {
                let line = self.lines.iter().find(|line| line.rule == denied.rule);
                line.map_or(0, |line| line.standing.reset_after_s)
            };
            let refusal = match denied.refusal {
                Refusal::TooLarge => Refusal::Spent { reset_after_s: reset_after_s() },
                refusal => refusal,
            };
            self.refuse(record, Denied { refusal, ..denied })
        })
    }

    /// Makes what is held final: what the whole exchange used. Only the first time counts.
    pub(crate) fn settle(&mut self, customers: &Customers, record: &Record) {
        let Some(held) = self.held.take() else { return };
        let total = Total::of(record);
        let now = customers.now(record.started + record.total, record.started_unix_s());
        customers.book.settle(held, |resource| total.of_resource(resource), now);
        let limits = &record.snapshot.tables.limits;
        let is_estimate = |rule: &LimitRule| !rule.is_hard && rule.resource != Resource::Requests;
        if let Some(usage) = &record.usage
            && self.applied.iter().any(|applied| is_estimate(&limits[applied.rule]))
        {
            customers.note_output(record, usage.output());
        }
    }

    fn tell(&self, customers: &Customers, record: &Record, denied: Option<&Denied>) {
        for (line, applied) in self.lines.iter().zip(&self.applied) {
            if line.used_permille >= REMEMBERED_PERMILLE
                && let Some(who) = who(record)
            {
                customers.remembered.note(applied.meter, &who, &record.snapshot.tables);
            }
            let kind = if denied.is_some_and(|denied| denied.rule == line.rule) {
                Kind::Denied
            } else if line.is_warned {
                Kind::Warned
            } else {
                continue;
            };
            customers.events.note(kind, applied.meter, line.rule, record, line.used_permille);
        }
    }

    fn refuse(&self, record: &Record, denied: Denied) -> Failure {
        let rule = &record.snapshot.tables.limits[denied.rule];
        let line = self.lines.iter().find(|line| line.rule == denied.rule);
        let (amount, remaining) = line.map_or((rule.amount, 0), |line| (line.amount, line.standing.remaining));
        deny(rule, denied.refusal, amount, remaining, self.costs.of(rule))
    }
}

/// An estimate is never asked for above what there may be at once: it is often wrong, and a limit must not lock out
/// what it could let pass. A bound is asked for as it is.
fn capped(cost: u64, rule: &LimitRule, applied: &Applied) -> u64 {
    if rule.is_hard || rule.resource.is_one_each() { cost } else { cost.min(most(rule, applied).max(1)) }
}
