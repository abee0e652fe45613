//! A quota by period of the calendar: a count that begins anew with each day, week or month.

use std::sync::Arc;

use super::calendar::Periods;
use super::holds::{Hold, HoldId, Holds};
use super::refusal::{Refusal, Standing, saturated};

/// What was used in the present period.
#[derive(Clone, Debug)]
pub(super) struct CalendarQuota {
    periods: Arc<Periods>,
    start_s: i64,
    end_s: i64,
    used: u64,
    /// Reservations, by the start of the period that they were made in; of former periods too.
    holds: Holds,
    /// Sum of those of the present period.
    held: u128,
}

impl CalendarQuota {
    pub(super) fn new(periods: Arc<Periods>, unix_s: i64) -> Self {
        let (start_s, end_s) = periods.bounds(unix_s);
        Self { periods, start_s, end_s, used: 0, holds: Holds::new(), held: 0 }
    }

    pub(super) fn check(&mut self, cost: u64, amount: u64, unix_s: i64) -> Result<(), Refusal> {
        self.advance(unix_s);
        let (used, amount) = (u128::from(self.used) + u128::from(cost), u128::from(amount));
        if used + self.held <= amount {
            Ok(())
        } else if u128::from(cost) > amount {
            Err(Refusal::TooLarge)
        } else if used > amount {
            Err(Refusal::Spent { reset_after_s: self.left_s(unix_s) })
        } else {
            Err(Refusal::Reserved)
        }
    }

    pub(super) fn hold(&mut self, cost: u64, unix_s: i64) -> HoldId {
        self.advance(unix_s);
        self.held += u128::from(cost);
        self.holds.open(Hold { made: self.start_s, cost })
    }

    pub(super) fn settle(&mut self, id: HoldId, used: Option<u64>) -> bool {
        let Some(Hold { made, cost }) = self.holds.close(id) else { return false };
        if made == self.start_s {
            self.held -= u128::from(cost);
            self.used = self.used.saturating_add(used.unwrap_or(cost));
        }
        true
    }

    pub(super) fn add(&mut self, used: u64, unix_s: i64) {
        self.advance(unix_s);
        if unix_s >= self.start_s {
            self.used = self.used.saturating_add(used);
        }
    }

    pub(super) fn standing(&mut self, amount: u64, unix_s: i64) -> Standing {
        self.advance(unix_s);
        Standing {
            used: self.used,
            reserved: saturated(self.held),
            remaining: saturated(u128::from(amount).saturating_sub(u128::from(self.used) + self.held)),
            reset_after_s: if self.used == 0 { 0 } else { self.left_s(unix_s) },
        }
    }

    pub(super) fn is_idle(&mut self, unix_s: i64) -> bool {
        self.advance(unix_s);
        self.used == 0 && self.holds.is_empty()
    }

    pub(super) fn shrink(&mut self) {
        self.holds.shrink();
    }

    fn left_s(&self, unix_s: i64) -> u64 {
        u64::try_from(self.end_s.saturating_sub(unix_s)).unwrap_or(0)
    }

    /// Begins the period of a moment, unless it is one of the past: what has begun does not un-begin.
    fn advance(&mut self, unix_s: i64) {
        if unix_s < self.end_s {
            return;
        }
        let (start_s, end_s) = self.periods.bounds(unix_s);
        if start_s < self.end_s {
            return; // Beyond the last period there is.
        }
        (self.start_s, self.end_s) = (start_s, end_s);
        self.used = 0;
        self.held = 0;
    }
}

#[cfg(test)]
#[path = "calendar_quota_tests.rs"]
mod tests;
