//! How many repeats a provider may get, so that retries never become the outage.
//!
//! The law: in every window, repeats ≤ `permille` / 1000 × first calls + `per_second` × seconds + [`BURST`]. Moves to
//! another provider do not count. Shared by all cores without a lock; while nothing fails, a first call only reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Repeats that may come at once after a quiet time; none where the settings allow none at all.
pub const BURST: u64 = 10;

/// One repeat, in the unit of the balance: a call brings thousandths of it, a nanosecond billionths.
const REPEAT: u64 = 1_000_000_000;

/// A provider's budget.
#[derive(Debug)]
pub struct RetryBudget {
    per_call: u64,
    per_ns: u64,
    most: u64,
    balance: AtomicU64,
    /// Until when time has been paid in.
    paid_until_ns: AtomicU64,
}

impl RetryBudget {
    /// A full one: `permille` repeats for a thousand first calls, and `per_second` whatever the traffic.
    #[must_use]
    pub fn new(permille: u32, per_second: u32) -> Self {
        let most = if permille == 0 && per_second == 0 { 0 } else { BURST * REPEAT };
        Self {
            per_call: u64::from(permille) * (REPEAT / 1000),
            per_ns: u64::from(per_second),
            most,
            balance: AtomicU64::new(most),
            paid_until_ns: AtomicU64::new(0),
        }
    }

    /// A first call to the provider was made.
    pub fn deposit(&self) {
        self.pay_in(self.per_call);
    }

    /// Whether a repeat is allowed at `now_ns`; if so it is paid for.
    pub fn withdraw(&self, now_ns: u64) -> bool {
        let paid_until_ns = self.paid_until_ns.fetch_max(now_ns, Ordering::Relaxed);
        self.pay_in(self.per_ns.saturating_mul(now_ns.saturating_sub(paid_until_ns)));
        self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| balance.checked_sub(REPEAT)).is_ok()
    }

    /// Repeats that are left of what was paid in so far.
    #[must_use]
    pub fn balance(&self) -> u64 {
        self.balance.load(Ordering::Relaxed) / REPEAT
    }

    fn pay_in(&self, amount: u64) {
        // A full budget is not written to: the line stays in every core's cache.
        let _ = self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
            (amount > 0 && balance < self.most).then(|| balance.saturating_add(amount).min(self.most))
        });
    }
}

#[cfg(test)]
#[path = "retry_budget_tests.rs"]
mod tests;
