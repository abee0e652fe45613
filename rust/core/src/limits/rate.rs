//! A rate as one kind of meter: a [`Bucket`] that takes whatever rate it is asked with.

use super::gcra::{Bucket, Rate};
use super::holds::HoldId;
use super::meter::Allowance;
use super::refusal::{Refusal, Standing, saturated, seconds};

/// What came, against a rate that may change.
#[derive(Clone, Debug)]
pub(super) struct RateLimit(Bucket);

impl RateLimit {
    pub(super) fn new(period_ns: u64, allowance: Allowance) -> Self {
        Self(Bucket::new(Rate::clamped(allowance.amount, period_ns, allowance.burst)))
    }

    pub(super) fn check(&mut self, cost: u64, allowance: Allowance, now_ns: u64) -> Result<(), Refusal> {
        self.take(allowance, now_ns);
        // No bucket is that slow: it has a rate of 1.
        if allowance.amount == 0 && cost > 0 {
            return Err(Refusal::TooLarge);
        }
        self.0.check(cost, now_ns).map_err(|denied| match denied.retry_after_ns {
            Some(retry_after_ns) => Refusal::Wait { retry_after_ns },
            None => Refusal::TooLarge,
        })
    }

    pub(super) fn hold(&mut self, cost: u64, now_ns: u64) -> HoldId {
        HoldId(self.0.charge_open(cost, now_ns))
    }

    pub(super) fn settle(&mut self, id: HoldId, used: Option<u64>, now_ns: u64) -> bool {
        self.0.settle(id.0, used, now_ns)
    }

    pub(super) fn add(&mut self, used: u64, at_ns: u64) {
        let age_ns = self.0.now_ns().saturating_sub(at_ns);
        let rate = self.0.rate();
        let forgotten_ns = (u128::from(used) + u128::from(rate.burst())) * u128::from(rate.period_ns());
        if u128::from(age_ns) * u128::from(rate.units()) < forgotten_ns {
            self.0.charge(used, at_ns);
        }
    }

    pub(super) fn standing(&mut self, allowance: Allowance, now_ns: u64) -> Standing {
        self.take(allowance, now_ns);
        let lacking = self.0.lacking(now_ns);
        let reserved = saturated(self.0.reserved()).min(lacking);
        Standing {
            used: lacking - reserved,
            reserved,
            remaining: if allowance.amount == 0 { 0 } else { self.0.available(now_ns) },
            reset_after_s: seconds(self.0.full_after_ns(now_ns)),
        }
    }

    pub(super) fn is_idle(&mut self, now_ns: u64) -> bool {
        self.0.is_idle(now_ns)
    }

    pub(super) fn shrink(&mut self) {
        self.0.shrink();
    }

    fn take(&mut self, allowance: Allowance, now_ns: u64) {
        let rate = Rate::clamped(allowance.amount, self.0.rate().period_ns(), allowance.burst);
        if rate != self.0.rate() {
            self.0.set_rate(rate, now_ns);
        }
    }
}
