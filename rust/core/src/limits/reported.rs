//! What a provider says is left of one of its limits, and what is left of that by now.
//!
//! A reported remainder is of the past: what was begun after the call that brought it is taken off, and what comes back
//! until the reset is added where the vendor's bucket fills evenly. Two answers may overtake each other, so one from a
//! call that began earlier than the last to report is passed over.

/// One limit as an answer's headers state it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Remainder {
    /// How much there is when nothing is used.
    pub limit: Option<u64>,
    /// How much is left.
    pub remaining: Option<u64>,
    /// Nanoseconds until all of it is there again.
    pub reset_ns: Option<u64>,
    /// It comes back little by little until then (a token bucket), rather than all at once (a fixed window).
    pub refills_evenly: bool,
}

/// Every limit that an answer's headers state, in the provider's own counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ProviderLimits {
    /// Requests.
    pub requests: Option<Remainder>,
    /// Input and output together.
    pub tokens: Option<Remainder>,
    /// Input only.
    pub input_tokens: Option<Remainder>,
    /// Output only.
    pub output_tokens: Option<Remainder>,
}

impl ProviderLimits {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A remainder that holds until its reset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    limit: Option<u64>,
    /// Left at `heard_ns`, less all that was taken since; below 0 where more was taken.
    left: i128,
    heard_ns: u64,
    reset_ns: u64,
    /// What comes back evenly from `heard_ns` to `reset_ns`.
    refill: u64,
    /// How long it takes from nothing to all.
    period_ns: u64,
    /// Number of the call that brought it.
    call: u64,
    /// Number of the first call that was taken off it.
    first: u64,
}

impl Window {
    /// Of what call number `call` brought at `now_ns`, with `since` units taken by younger calls. `None` if it says too
    /// little: a remainder without an end holds for no time.
    pub(super) fn new(said: &Remainder, call: u64, since: u64, now_ns: u64) -> Option<Self> {
        let (remaining, reset_ns) = (said.remaining?, said.reset_ns?);
        let missing = said.limit.unwrap_or(remaining).saturating_sub(remaining);
        let period_ns = match said.limit {
            Some(limit) if said.refills_evenly && missing > 0 => {
                let period = u128::from(reset_ns) * u128::from(limit) / u128::from(missing);
                u64::try_from(period).unwrap_or(u64::MAX)
            }
            _ => reset_ns,
        };
        Some(Self {
            limit: said.limit,
            left: i128::from(remaining) - i128::from(since),
            heard_ns: now_ns,
            reset_ns: now_ns.saturating_add(reset_ns),
            refill: if said.refills_evenly { missing } else { 0 },
            period_ns,
            call,
            first: call.saturating_add(1),
        })
    }

    /// Whether a call that began then has nothing newer to say.
    pub(super) fn is_newer_than(&self, call: u64, now_ns: u64) -> bool {
        call < self.call && now_ns < self.reset_ns
    }

    pub(super) fn is_over(&self, now_ns: u64) -> bool {
        now_ns >= self.reset_ns
    }

    /// The window after this one, as large as the limit, from which calls are taken off from number `first` on; nothing
    /// was said of it yet. `None` if the limit is unknown.
    pub(super) fn next(&self, first: u64, now_ns: u64) -> Option<Self> {
        let limit = self.limit.filter(|_| self.period_ns > 0)?;
        let reset_ns = now_ns.saturating_add(self.period_ns);
        Some(Self { left: i128::from(limit), heard_ns: now_ns, reset_ns, refill: 0, first, ..*self })
    }

    /// Takes `cost` units.
    pub(super) fn take(&mut self, cost: u64) {
        self.left = self.left.saturating_sub(i128::from(cost));
    }

    /// Call number `call` was never sent.
    pub(super) fn give_back(&mut self, call: u64, cost: u64) {
        if call >= self.first {
            self.left = self.left.saturating_add(i128::from(cost));
        }
    }

    /// When `cost` units are there, at `now_ns` or later. More than the limit is never there: all of it will do.
    pub(super) fn free_at_ns(&self, cost: u64, now_ns: u64) -> u64 {
        if self.is_over(now_ns) {
            return now_ns;
        }
        let needed = i128::from(self.limit.map_or(cost, |limit| cost.min(limit)));
        let missing = needed - self.left;
        if missing <= 0 {
            return now_ns;
        }
        if missing > i128::from(self.refill) {
            return self.reset_ns;
        }
        // At least one unit comes back, so the division is by a positive number.
        let span_ns = i128::from(self.reset_ns - self.heard_ns);
        let wait_ns = (missing * span_ns - 1) / i128::from(self.refill) + 1;
        self.heard_ns.saturating_add(u64::try_from(wait_ns).unwrap_or(u64::MAX)).max(now_ns)
    }
}
