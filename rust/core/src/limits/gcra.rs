//! One bucket: the generic cell rate algorithm (ITU-T I.371, annex A), exact, with costs that change afterwards.
//!
//! The law: in every window, whatever was admitted in it costs at most `burst + rate × window`, where a cost is what
//! was charged until it is known and what was used from then on. Simply giving back an unused part breaks that: a
//! bucket that filled up meanwhile would be credited twice. So the bucket follows the *potential*, everything charged
//! minus everything drained, and remembers its lowest value between any two charges that may still change. The level
//! is the potential over the lowest value there was, and changing an old charge moves exactly what came after it.
//!
//! Integers only. A *tick* is a unit of cost × a nanosecond of the period, so no rate is rounded.

use smallvec::SmallVec;

/// Largest cost, burst and rate, in units; far above any, and products of two stay within 128 bits.
pub const UNITS_MAX: u64 = 1 << 53;

/// So many units every so often, and how many at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    units: u64,
    period_ns: u64,
    burst: u64,
}

impl Rate {
    /// `units` each `period_ns`, of which `burst` may come at once. `None` if one is 0 or above [`UNITS_MAX`].
    #[must_use]
    pub const fn new(units: u64, period_ns: u64, burst: u64) -> Option<Self> {
        let in_range = units > 0 && period_ns > 0 && burst > 0;
        if !in_range || units > UNITS_MAX || period_ns > UNITS_MAX || burst > UNITS_MAX {
            return None;
        }
        Some(Self { units, period_ns, burst })
    }

    /// The same; what is out of range is taken for the nearest number in it.
    #[must_use]
    pub fn clamped(units: u64, period_ns: u64, burst: u64) -> Self {
        let [units, period_ns, burst] = [units, period_ns, burst].map(|number| number.clamp(1, UNITS_MAX));
        Self { units, period_ns, burst }
    }

    /// `units` a minute; a sixth of them, at least one, may come at once.
    #[must_use]
    pub const fn per_minute(units: u64) -> Option<Self> {
        let burst = if units < 6 { 1 } else { units / 6 };
        Self::new(units, 60_000_000_000, burst)
    }

    /// Units a period.
    #[must_use]
    pub const fn units(self) -> u64 {
        self.units
    }

    /// The period.
    #[must_use]
    pub const fn period_ns(self) -> u64 {
        self.period_ns
    }

    /// Units that may come at once.
    #[must_use]
    pub const fn burst(self) -> u64 {
        self.burst
    }

    fn ticks(self, cost: u64) -> i128 {
        i128::from(cost) * i128::from(self.period_ns)
    }
}

/// Why a cost does not fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Denied {
    /// Nanoseconds until it would fit if nothing else came; `None` if it never fits, being above the burst.
    pub retry_after_ns: Option<u64>,
}

/// A charge that may still change: which one, counted from 0.
pub type ChargeId = u64;

/// What a rate has let through.
#[derive(Clone, Debug)]
pub struct Bucket {
    rate: Rate,
    /// The latest time seen; a clock that goes back stands still here.
    now_ns: u64,
    /// All that was charged, in ticks, less what was given back.
    charged: i128,
    /// Lowest potential before the oldest open charge, and since the start while none is open.
    lowest_before: i128,
    /// Lowest potential of all.
    lowest: i128,
    /// Charges that may still change, the oldest first. One needs no memory of its own.
    open: SmallVec<[Open; 1]>,
    next: ChargeId,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    id: ChargeId,
    cost: u64,
    /// Lowest potential from this charge until the next open one.
    lowest_after: i128,
}

impl Bucket {
    /// An unused bucket.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let highest = i128::MAX;
        let open = SmallVec::new();
        Self { rate, now_ns: 0, charged: 0, lowest_before: highest, lowest: highest, open, next: 0 }
    }

    /// Its rate.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// The latest time that it was asked or told something.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Takes another rate from now on, of the same period; what was used stays used. Without effect for a rate of
    /// another period, whose ticks are of another size.
    pub fn set_rate(&mut self, rate: Rate, now_ns: u64) {
        if rate.period_ns != self.rate.period_ns {
            return;
        }
        self.level(now_ns);
        // The potential goes on from where it is, downwards at the new rate.
        let faster = i128::from(rate.units) - i128::from(self.rate.units);
        self.charged = self.charged.saturating_add(faster * i128::from(self.now_ns));
        self.rate = rate;
    }

    /// Whether `cost` fits at `now_ns` (monotonic). Changes nothing but the time.
    ///
    /// # Errors
    /// [`Denied`] with the time to wait.
    pub fn check(&mut self, cost: u64, now_ns: u64) -> Result<(), Denied> {
        let excess = self.level(now_ns).saturating_add(self.rate.ticks(cost)) - self.rate.ticks(self.rate.burst);
        if excess <= 0 {
            return Ok(());
        }
        if cost > self.rate.burst {
            return Err(Denied { retry_after_ns: None });
        }
        let units = i128::from(self.rate.units);
        let wait_ns = (excess - 1) / units + 1;
        Err(Denied { retry_after_ns: Some(u64::try_from(wait_ns).unwrap_or(u64::MAX)) })
    }

    /// Charges a cost that is final, whether or not it fits: call after [`Self::check`].
    pub fn charge(&mut self, cost: u64, now_ns: u64) {
        self.level(now_ns);
        self.charged = self.charged.saturating_add(self.rate.ticks(cost));
    }

    /// The same for a cost that [`Self::settle`] may change.
    pub fn charge_open(&mut self, cost: u64, now_ns: u64) -> ChargeId {
        self.charge(cost, now_ns);
        let id = self.next;
        self.next += 1;
        self.open.push(Open { id, cost, lowest_after: i128::MAX });
        id
    }

    /// Makes an open charge final at what was used, less or more; more may leave the bucket in debt. `None` keeps the
    /// cost as charged. Whether there was such a charge; one that is final already stays as it is.
    ///
    /// Costs a step for each younger open charge.
    pub fn settle(&mut self, id: ChargeId, used: Option<u64>, now_ns: u64) -> bool {
        let Ok(at) = self.open.binary_search_by_key(&id, |open| open.id) else { return false };
        self.level(now_ns);
        let settled = self.open.remove(at);
        let change = used.map_or(0, |used| self.rate.ticks(used) - self.rate.ticks(settled.cost));
        self.charged = self.charged.saturating_add(change);
        for younger in &mut self.open[at..] {
            younger.lowest_after = younger.lowest_after.saturating_add(change);
        }
        let before = match at.checked_sub(1) {
            Some(elder) => &mut self.open[elder].lowest_after,
            None => &mut self.lowest_before,
        };
        *before = (*before).min(settled.lowest_after.saturating_add(change));
        self.lowest = self.open.iter().fold(self.lowest_before, |lowest, open| lowest.min(open.lowest_after));
        true
    }

    /// Units that would fit at `now_ns`; 0 in debt.
    pub fn available(&mut self, now_ns: u64) -> u64 {
        let room = self.rate.ticks(self.rate.burst) - self.level(now_ns);
        u64::try_from(room.max(0) / i128::from(self.rate.period_ns)).unwrap_or(u64::MAX)
    }

    /// Units that the bucket lacks until it is full, rounded up; above the burst in debt.
    pub fn lacking(&mut self, now_ns: u64) -> u64 {
        let period_ns = i128::from(self.rate.period_ns);
        u64::try_from((self.level(now_ns).saturating_add(period_ns - 1)) / period_ns).unwrap_or(u64::MAX)
    }

    /// Units that are charged and may still change.
    #[must_use]
    pub fn reserved(&self) -> u128 {
        self.open.iter().map(|open| u128::from(open.cost)).sum()
    }

    /// Nanoseconds until nothing that was charged counts any more.
    pub fn full_after_ns(&mut self, now_ns: u64) -> u64 {
        let level = self.level(now_ns);
        let units = i128::from(self.rate.units);
        let wait_ns = level.saturating_add(units - 1) / units;
        u64::try_from(wait_ns).unwrap_or(u64::MAX)
    }

    /// Whether it is as good as new: full, and nothing can change.
    pub fn is_idle(&mut self, now_ns: u64) -> bool {
        self.open.is_empty() && self.level(now_ns) == 0
    }

    /// Frees what many open charges at once needed.
    pub fn shrink(&mut self) {
        self.open.shrink_to_fit();
    }

    /// How full the bucket is, in ticks: what any window that ends now has admitted beyond its rate, at most.
    fn level(&mut self, now_ns: u64) -> i128 {
        self.now_ns = self.now_ns.max(now_ns);
        let potential = self.charged.saturating_sub(i128::from(self.rate.units) * i128::from(self.now_ns));
        if potential < self.lowest {
            self.lowest = potential;
        }
        let lowest_here = self.open.last_mut().map_or(&mut self.lowest_before, |open| &mut open.lowest_after);
        if potential < *lowest_here {
            *lowest_here = potential;
        }
        potential.saturating_sub(self.lowest)
    }
}

#[cfg(test)]
#[path = "gcra_tests.rs"]
mod tests;
