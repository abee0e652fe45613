//! How many calls a deployment may have under way while it says that it has too much to do.
//!
//! Additive increase, multiplicative decrease, as TCP does it (Chiu and Jain, 1989). There is no limit until the first
//! sign of congestion, and none again once it has grown well past what is used.

/// The share of the calls under way that a decrease leaves, in tenths.
const KEPT_TENTHS: u32 = 7;
/// A limit above this many times what is used limits nothing.
const SLACK_TIMES: u32 = 2;

/// A limit for calls under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConcurrencyLimit {
    limit: Option<u32>,
    /// Calls that succeeded since the limit changed last.
    successes: u32,
    /// Most calls under way since the limit changed last.
    peak: u32,
    decreased_ns: u64,
}

impl ConcurrencyLimit {
    /// How many calls may be under way. `None`: any number.
    #[must_use]
    pub fn limit(&self) -> Option<u32> {
        self.limit
    }

    /// Whether one more may begin beside `in_flight`.
    #[must_use]
    pub fn has_room(&self, in_flight: u32) -> bool {
        self.limit.is_none_or(|limit| in_flight < limit)
    }

    /// A call began, and `in_flight` are under way with it.
    pub fn begin(&mut self, in_flight: u32) {
        self.peak = self.peak.max(in_flight);
    }

    /// A call succeeded in good time; `in_flight` were under way with it.
    pub fn succeed(&mut self, in_flight: u32) {
        let Some(limit) = self.limit else { return };
        self.successes += 1;
        if self.successes >= limit {
            let is_slack = limit / SLACK_TIMES > self.peak.max(in_flight);
            self.limit = if is_slack { None } else { limit.checked_add(1) };
            self.successes = 0;
            self.peak = in_flight;
        }
    }

    /// A call that began at `begun_ns` met congestion; `in_flight` were under way with it. What began before the last
    /// decrease could not know of it, so there is one in a round trip at most.
    pub fn congest(&mut self, in_flight: u32, begun_ns: u64, now_ns: u64) {
        if self.limit.is_some() && begun_ns < self.decreased_ns {
            return;
        }
        self.limit = Some((in_flight.saturating_mul(KEPT_TENTHS) / 10).max(1));
        self.successes = 0;
        self.peak = in_flight;
        self.decreased_ns = now_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_limited_before_the_first_sign() {
        let mut limit = ConcurrencyLimit::default();
        limit.begin(1_000_000);
        limit.succeed(1_000_000);
        assert!(limit.has_room(u32::MAX - 1));
        assert_eq!(limit.limit(), None);
    }

    #[test]
    fn a_round_trip_decreases_it_once_and_never_below_one() {
        let mut limit = ConcurrencyLimit::default();
        limit.congest(100, 0, 10);
        assert_eq!(limit.limit(), Some(70));
        assert!(limit.has_room(69) && !limit.has_room(70));
        for _ in 0..50 {
            limit.congest(99, 9, 11);
        }
        assert_eq!(limit.limit(), Some(70), "they began before the decrease");
        limit.congest(60, 10, 20);
        assert_eq!(limit.limit(), Some(42));
        for time in 1..20 {
            limit.congest(1, 20 * time, 20 * time + 1);
        }
        assert_eq!(limit.limit(), Some(1));
        assert!(limit.has_room(0), "one call always passes");
    }

    #[test]
    fn it_grows_by_one_for_as_many_successes_as_it_allows_and_goes_when_it_is_not_used() {
        let mut limit = ConcurrencyLimit::default();
        limit.congest(10, 0, 1);
        for _ in 0..6 {
            limit.succeed(7);
        }
        assert_eq!(limit.limit(), Some(7));
        limit.succeed(7);
        assert_eq!(limit.limit(), Some(8));
        let mut successes = 0;
        while limit.limit().is_some() {
            limit.begin(7);
            limit.succeed(7);
            successes += 1;
            assert!(limit.limit().is_none_or(|limit| limit <= 16), "grows without end");
        }
        assert!(successes > 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15, "{successes}");
    }

    #[test]
    fn a_limit_that_is_used_up_stays() {
        let mut limit = ConcurrencyLimit::default();
        limit.congest(10, 0, 1);
        for _ in 0..10_000 {
            let used = limit.limit().unwrap();
            limit.begin(used);
            limit.succeed(used);
        }
        assert!(limit.limit().is_some_and(|limit| limit > 100));
    }
}
