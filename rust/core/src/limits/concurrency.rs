//! How much may be under way at once.

use super::holds::{Hold, HoldId, Holds};
use super::refusal::{Refusal, Standing, saturated};

/// What is under way.
#[derive(Clone, Debug)]
pub(super) struct Concurrency {
    holds: Holds,
    held: u128,
}

impl Concurrency {
    pub(super) fn new() -> Self {
        Self { holds: Holds::new(), held: 0 }
    }

    pub(super) fn check(&self, cost: u64, amount: u64) -> Result<(), Refusal> {
        if self.held + u128::from(cost) <= u128::from(amount) {
            return Ok(());
        }
        Err(if cost > amount { Refusal::TooLarge } else { Refusal::Concurrent })
    }

    pub(super) fn hold(&mut self, cost: u64) -> HoldId {
        self.held += u128::from(cost);
        self.holds.open(Hold { made: 0, cost })
    }

    /// It is over, whatever it used.
    pub(super) fn settle(&mut self, id: HoldId) -> bool {
        let closed = self.holds.close(id);
        self.held -= closed.map_or(0, |hold| u128::from(hold.cost));
        closed.is_some()
    }

    pub(super) fn standing(&self, amount: u64) -> Standing {
        Standing {
            reserved: saturated(self.held),
            remaining: saturated(u128::from(amount).saturating_sub(self.held)),
            ..Standing::default()
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.holds.is_empty()
    }

    pub(super) fn shrink(&mut self) {
        self.holds.shrink();
    }
}
