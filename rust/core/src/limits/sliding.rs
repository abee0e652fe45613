//! A quota by sliding window: never above the amount in any window of that length.
//!
//! Time is cut into sub-windows, 30 of them as long as the window. A window touches at most 31, so what those hold that
//! end with the present one bounds what any window that ends now holds: the law is kept exactly, and what lies up to one
//! sub-window further back counts too. Whoever uses all there is gets at least 30/31 of it.
//!
//! A reservation counts in the sub-window that it was made in, and so does what it turns out to have used.

use smallvec::SmallVec;

use super::holds::{Hold, HoldId, Holds};
use super::refusal::{Refusal, Standing, WAIT_MAX_NS, saturated, seconds};

/// Sub-windows as long as a window together.
const PARTS: u64 = 30;

/// What was used, by sub-window.
#[derive(Clone, Debug)]
pub(super) struct Sliding {
    part_ns: u64,
    /// The present sub-window, counted from 1970.
    part: u64,
    /// Sub-windows in which something was used, the oldest first, none that counts no more.
    used: SmallVec<[Used; 2]>,
    /// Their sum.
    used_total: u128,
    /// Reservations; those that are too old to count wait for their holders.
    holds: Holds,
    /// Sum of those that count.
    held_total: u128,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    part: u64,
    amount: u64,
}

impl Sliding {
    pub(super) fn new(window_ns: u64, now_ns: u64) -> Self {
        let part_ns = window_ns.div_ceil(PARTS).max(1);
        Self {
            part_ns,
            part: now_ns / part_ns,
            used: SmallVec::new(),
            used_total: 0,
            holds: Holds::new(),
            held_total: 0,
        }
    }

    pub(super) fn check(&mut self, cost: u64, amount: u64, now_ns: u64) -> Result<(), Refusal> {
        self.advance(now_ns);
        let (cost, amount) = (u128::from(cost), u128::from(amount));
        if self.used_total + self.held_total + cost <= amount {
            return Ok(());
        }
        if cost > amount {
            return Err(Refusal::TooLarge);
        }
        let Some(excess) = (self.used_total + cost).checked_sub(amount).filter(|excess| *excess > 0) else {
            return Err(Refusal::Reserved);
        };
        let mut left = 0;
        let enough = self.used.iter().find(|used| {
            left += u128::from(used.amount);
            left >= excess
        });
        let retry_after_ns = enough.map_or(0, |used| self.counts_for_ns(used.part, now_ns));
        if retry_after_ns <= WAIT_MAX_NS {
            return Err(Refusal::Wait { retry_after_ns });
        }
        Err(Refusal::Spent { reset_after_s: seconds(retry_after_ns) })
    }

    pub(super) fn hold(&mut self, cost: u64, now_ns: u64) -> HoldId {
        self.advance(now_ns);
        self.held_total += u128::from(cost);
        self.holds.open(Hold { made: self.part.cast_signed(), cost })
    }

    pub(super) fn settle(&mut self, id: HoldId, used: Option<u64>) -> bool {
        let Some(Hold { made, cost }) = self.holds.close(id) else { return false };
        let part = made.cast_unsigned();
        if self.counts(part) {
            self.held_total -= u128::from(cost);
            self.book(part, used.unwrap_or(cost));
        }
        true
    }

    pub(super) fn add(&mut self, used: u64, at_ns: u64) {
        self.advance(at_ns);
        let part = at_ns / self.part_ns;
        if self.counts(part) {
            self.book(part, used);
        }
    }

    pub(super) fn standing(&mut self, amount: u64, now_ns: u64) -> Standing {
        self.advance(now_ns);
        let taken = self.used_total + self.held_total;
        let newest = self.used.last().map_or(0, |used| self.counts_for_ns(used.part, now_ns));
        Standing {
            used: saturated(self.used_total),
            reserved: saturated(self.held_total),
            remaining: saturated(u128::from(amount).saturating_sub(taken)),
            reset_after_s: seconds(newest),
        }
    }

    pub(super) fn is_idle(&mut self, now_ns: u64) -> bool {
        self.advance(now_ns);
        self.used.is_empty() && self.holds.is_empty()
    }

    pub(super) fn shrink(&mut self) {
        self.holds.shrink();
        self.used.shrink_to_fit();
    }

    /// Whether a window that ends now may touch a sub-window.
    const fn counts(&self, part: u64) -> bool {
        part.saturating_add(PARTS) >= self.part
    }

    /// How long it will.
    const fn counts_for_ns(&self, part: u64, now_ns: u64) -> u64 {
        part.saturating_add(PARTS + 1).saturating_mul(self.part_ns).saturating_sub(now_ns)
    }

    /// A clock that goes back stands still here.
    fn advance(&mut self, now_ns: u64) {
        let part = now_ns / self.part_ns;
        if part <= self.part {
            return;
        }
        self.part = part;
        let over = self.used.iter().take_while(|used| !self.counts(used.part)).count();
        self.used_total -= self.used.drain(..over).map(|used| u128::from(used.amount)).sum::<u128>();
        let counting = self.holds.iter().filter(|hold| self.counts(hold.made.cast_unsigned()));
        self.held_total = counting.map(|hold| u128::from(hold.cost)).sum();
    }

    fn book(&mut self, part: u64, amount: u64) {
        if amount == 0 {
            return;
        }
        let at = self.used.iter().rposition(|used| used.part <= part);
        let added = match at {
            Some(at) if self.used[at].part == part => {
                let before = self.used[at].amount;
                self.used[at].amount = before.saturating_add(amount);
                self.used[at].amount - before
            }
            _ => {
                self.used.insert(at.map_or(0, |at| at + 1), Used { part, amount });
                amount
            }
        };
        self.used_total += u128::from(added);
    }
}

#[cfg(test)]
#[path = "sliding_tests.rs"]
mod tests;
