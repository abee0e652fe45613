//! Whom to leave alone, and when to try again: a circuit breaker that learns from real traffic only.
//!
//! It opens on failures in a row, or when too few of the recent calls succeed. When its time is over it lets one call
//! through at a time (half-open); one that succeeds closes it, one that fails opens it for twice as long. A call says
//! when it began: what began before the breaker opened tells nothing about now, and the calls of an outage may time out
//! long after its end. Nor do the calls that end first stand for all: an error comes in milliseconds where an answer
//! takes seconds, so failures are held against the calls that began with them.

use crate::tables::BreakerSettings;

/// The success rate is that of about this many calls.
const RECENT_CALLS: u32 = 32;
/// How often calls begin is known from this many.
const BLOCK_CALLS: u64 = 16;

/// What a breaker lets through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Everything.
    Closed,
    /// Nothing.
    Open,
    /// One call at a time.
    HalfOpen,
}

impl State {
    /// Its word in metrics and on the admin listener.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What is known of a deployment's failures.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    consecutive_failures: u32,
    /// When the first and the last to begin of them began.
    failures_begun_ns: (u64, u64),
    /// Calls that `success` knows of, as far as that matters.
    calls: u32,
    /// Exponentially weighted share of calls that succeeded, 0 to 1.
    success: f32,
    /// Calls that began and that ended since it was closed last.
    begun: u64,
    ended: u64,
    block_from_ns: u64,
    /// Between two calls of the last whole block. `None`: there was none yet.
    gap_ns: Option<u64>,
    is_closed: bool,
    /// Trials that failed since it was closed last.
    failed_trials: u32,
    /// When it is, or was last, half-open. Calls that began earlier no longer count.
    half_open_ns: u64,
    /// Until when the trial under way keeps others out.
    trial_until_ns: u64,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub const fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            consecutive_failures: 0,
            failures_begun_ns: (0, 0),
            calls: 0,
            success: 1.0,
            begun: 0,
            ended: 0,
            block_from_ns: 0,
            gap_ns: None,
            is_closed: true,
            failed_trials: 0,
            half_open_ns: 0,
            trial_until_ns: 0,
        }
    }

    /// Goes by other settings from now on.
    pub fn set_settings(&mut self, settings: BreakerSettings) {
        self.settings = settings;
    }

    /// What it lets through at `now_ns`.
    #[must_use]
    pub fn state(&self, now_ns: u64) -> State {
        if self.is_closed {
            State::Closed
        } else if now_ns < self.half_open_ns {
            State::Open
        } else {
            State::HalfOpen
        }
    }

    /// Whether it lets nothing through right now: it is open, or half-open with a trial under way.
    #[must_use]
    pub fn is_open(&self, now_ns: u64) -> bool {
        now_ns < self.available_from_ns()
    }

    /// When it lets a call through again unless something happens first. 0: it is closed.
    #[must_use]
    pub fn available_from_ns(&self) -> u64 {
        if self.is_closed { 0 } else { self.half_open_ns.max(self.trial_until_ns) }
    }

    /// An open breaker is half-open from now on.
    pub fn end_open_time(&mut self, now_ns: u64) {
        if self.state(now_ns) == State::Open {
            self.half_open_ns = now_ns;
        }
    }

    /// Whether a call may begin. A half-open breaker takes it for its trial, and keeps others out until its outcome is
    /// known, or for as long as the breaker had been open.
    pub fn try_acquire(&mut self, now_ns: u64) -> bool {
        if self.is_open(now_ns) {
            return false;
        }
        if !self.is_closed {
            self.trial_until_ns = now_ns.saturating_add(self.open_ns());
            return true;
        }
        if self.begun.is_multiple_of(BLOCK_CALLS) {
            if self.begun > 0 {
                self.gap_ns = Some(now_ns.saturating_sub(self.block_from_ns) / BLOCK_CALLS);
            }
            self.block_from_ns = now_ns;
        }
        self.begun += 1;
        true
    }

    /// The outcome of a call that began at `begun_ns`, let through or not.
    pub fn record(&mut self, success: bool, begun_ns: u64, now_ns: u64) {
        if begun_ns < self.half_open_ns {
            return;
        }
        if self.is_closed {
            self.count(success, begun_ns);
            if self.has_failed_enough() {
                self.open(now_ns, now_ns);
            }
        } else if success {
            self.close();
        } else {
            self.failed_trials = self.failed_trials.saturating_add(1);
            self.open(begun_ns, now_ns);
        }
    }

    /// A call ended that says nothing about the deployment; if it was a trial, the next call is one.
    pub fn record_abandoned(&mut self, begun_ns: u64) {
        if begun_ns >= self.half_open_ns {
            self.trial_until_ns = 0;
            self.ended += 1;
        }
    }

    /// Content of a call that has not ended yet: all that a trial has to show.
    pub fn record_content(&mut self, begun_ns: u64) {
        if !self.is_closed && begun_ns >= self.half_open_ns {
            self.close();
        }
    }

    /// Failures since the last success.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        self.consecutive_failures
    }

    /// Recent calls that succeeded, in a thousand.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    pub fn success_permille(&self) -> u32 {
        (self.success * 1000.0).round() as u32
    }

    #[expect(clippy::cast_precision_loss, reason = "at most RECENT_CALLS")]
    fn count(&mut self, success: bool, begun_ns: u64) {
        self.failures_begun_ns = match self.failures_begun_ns {
            (first_ns, last_ns) if self.consecutive_failures > 0 => (first_ns.min(begun_ns), last_ns.max(begun_ns)),
            _ => (begun_ns, begun_ns),
        };
        self.consecutive_failures = if success { 0 } else { self.consecutive_failures.saturating_add(1) };
        self.ended += 1;
        self.calls = self.calls.saturating_add(1);
        // The first calls weigh the same, or the first of them would count for half of the rate.
        let weight = self.calls.min(RECENT_CALLS) as f32;
        self.success += (f32::from(u8::from(success)) - self.success) / weight;
    }

    fn has_failed_enough(&self) -> bool {
        let is_row = self.consecutive_failures >= self.settings.consecutive_failures.max(1);
        let is_known = self.calls >= self.settings.minimum_calls && self.ended >= self.begun / 2;
        is_row && self.is_row_dense() || is_known && self.success_permille() < self.settings.success_permille
    }

    /// Whether so many of the calls that began with the failures in a row failed, too, that the rest does not make up for
    /// them.
    fn is_row_dense(&self) -> bool {
        let (first_ns, last_ns) = self.failures_begun_ns;
        let among = self.gap_ns.map_or(1, |gap_ns| (last_ns - first_ns) / gap_ns.max(1) + 1);
        let failing_permille = u64::from(1000_u32.saturating_sub(self.settings.success_permille));
        u64::from(self.consecutive_failures) * 1000 >= among.saturating_mul(failing_permille)
    }

    /// Opens it for its time from `from_ns` on. For a trial that is when it began: had it failed at once instead of in a
    /// time-out, the next one would be due no later.
    fn open(&mut self, from_ns: u64, now_ns: u64) {
        self.is_closed = false;
        self.half_open_ns = from_ns.saturating_add(self.open_ns()).max(now_ns);
        self.trial_until_ns = 0;
    }

    fn close(&mut self) {
        let half_open_ns = self.half_open_ns;
        *self = Self { half_open_ns, ..Self::new(self.settings) };
    }

    fn open_ns(&self) -> u64 {
        let factor = 1_u64.checked_shl(self.failed_trials).unwrap_or(u64::MAX);
        self.settings.open_ms.saturating_mul(factor).min(self.settings.open_max_ms).saturating_mul(1_000_000)
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
