//! How fast a deployment answers, apart for the first content and for each token after it.
//!
//! A peak EWMA jumps to a slower time at once and comes down with time, so whoever chooses by it leaves a deployment
//! that stalls with the first call that shows it (Finagle's and linkerd's load balancers do the same). The median is a
//! stochastic approximation: each call moves it by a small share of itself towards the call's own time.

/// Time constant of the peak EWMA's way down, as in Finagle and linkerd.
const DECAY_NS: f64 = 10e9;
/// A median that no call has confirmed for this long is not known any more; whom nobody calls for its sake would
/// otherwise keep it for ever.
const MEDIAN_KEPT_NS: u64 = 20_000_000_000;
/// Calls that the recent median looks back at, about.
const RECENT_CALLS: u64 = 32;
/// The same of the baseline.
const BASELINE_CALLS: u64 = 1024;
/// The recent median is far above the baseline when it is above this many times it …
const CONGESTED_TIMES: u64 = 3;
/// … and above this.
const CONGESTED_MIN_NS: u64 = 500_000_000;

/// A moving average of times that follows a longer one at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakEwma {
    value_ns: f64,
    at_ns: u64,
}

impl PeakEwma {
    /// Takes in a time that was measured at `now_ns`.
    #[expect(clippy::cast_precision_loss, reason = "2⁵³ ns are 104 days")]
    pub fn update(&mut self, sample_ns: u64, now_ns: u64) {
        let sample_ns = sample_ns as f64;
        self.value_ns = if sample_ns > self.value_ns {
            sample_ns
        } else {
            sample_ns + (self.value_ns - sample_ns) * self.decay(now_ns)
        };
        self.at_ns = self.at_ns.max(now_ns);
    }

    /// Its value at `now_ns`: without calls it falls to 0, so that the slowest is asked again. `None`: no time is known.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the largest sample")]
    pub fn read(&self, now_ns: u64) -> Option<u64> {
        (self.value_ns > 0.0).then(|| (self.value_ns * self.decay(now_ns)) as u64)
    }

    #[expect(clippy::cast_precision_loss, reason = "2⁵³ ns are 104 days")]
    fn decay(&self, now_ns: u64) -> f64 {
        (-(now_ns.saturating_sub(self.at_ns) as f64) / DECAY_NS).exp()
    }
}

/// The median of about the last `CALLS` times.
#[derive(Clone, Copy, Debug, Default)]
struct Median<const CALLS: u64> {
    estimate_ns: u64,
    calls: u64,
}

impl<const CALLS: u64> Median<CALLS> {
    fn update(&mut self, sample_ns: u64) {
        if self.calls == 0 {
            self.estimate_ns = sample_ns;
        }
        self.calls = (self.calls + 1).min(CALLS);
        let step_ns = self.estimate_ns / self.calls.max(8) + 1;
        if sample_ns > self.estimate_ns {
            self.estimate_ns = self.estimate_ns.saturating_add(step_ns).min(sample_ns);
        } else {
            self.estimate_ns = self.estimate_ns.saturating_sub(step_ns).max(sample_ns);
        }
    }
}

/// What is known of a deployment's times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    first_content: PeakEwma,
    output_token: PeakEwma,
    recent: Median<RECENT_CALLS>,
    baseline: Median<BASELINE_CALLS>,
    at_ns: u64,
}

impl Latency {
    /// Takes in a call: the time to its first content, and all of it until `now_ns`.
    pub fn update(&mut self, first_content_ns: u64, output_tokens: u64, total_ns: u64, now_ns: u64) {
        self.first_content.update(first_content_ns, now_ns);
        // An answer that came whole has no time per token of its own.
        if let Some(per_token_ns) = total_ns.saturating_sub(first_content_ns).checked_div(output_tokens)
            && per_token_ns > 0
        {
            self.output_token.update(per_token_ns, now_ns);
        }
        self.recent.update(first_content_ns);
        self.baseline.update(first_content_ns);
        self.at_ns = self.at_ns.max(now_ns);
    }

    /// Peak EWMA of the time to first content.
    #[must_use]
    pub fn first_content_ns(&self, now_ns: u64) -> Option<u64> {
        self.first_content.read(now_ns)
    }

    /// Peak EWMA of the time per output token.
    #[must_use]
    pub fn output_token_ns(&self, now_ns: u64) -> Option<u64> {
        self.output_token.read(now_ns)
    }

    /// Recent median of the time to first content. `None`: no recent call is known.
    #[must_use]
    pub fn first_content_p50_ns(&self, now_ns: u64) -> Option<u64> {
        let is_recent = now_ns.saturating_sub(self.at_ns) < MEDIAN_KEPT_NS;
        (self.recent.calls > 0 && is_recent).then_some(self.recent.estimate_ns)
    }

    /// Whether first content takes far longer than it used to. The median says so and not a single call: one long
    /// prompt is no congestion.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.recent.estimate_ns > CONGESTED_MIN_NS
            && self.recent.estimate_ns / CONGESTED_TIMES > self.baseline.estimate_ns
    }
}

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;
