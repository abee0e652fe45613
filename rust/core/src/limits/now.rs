//! The two clocks that limits go by.

/// A moment, as limits take it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// Nanoseconds since 1970 by a clock that never goes back: the wall clock at the start, and a monotonic one from
    /// then on. For rates and sliding windows.
    pub steady_ns: u64,
    /// Seconds since 1970 by the wall clock. For the calendar, where a clock that goes back stands still.
    pub unix_s: i64,
}

impl Now {
    /// A moment at which both clocks agree, as records tell it. Times before 1970 are 1970.
    #[must_use]
    pub fn at_unix_us(unix_us: u64) -> Self {
        Self { steady_ns: unix_us.saturating_mul(1000), unix_s: (unix_us / 1_000_000).cast_signed() }
    }

    /// The later of both, each clock for itself.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { steady_ns: self.steady_ns.max(other.steady_ns), unix_s: self.unix_s.max(other.unix_s) }
    }
}
