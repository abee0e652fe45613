//! How fast waiting requests have been served lately: tokens over the time that somebody waited.
//!
//! Both fade with the same time constant, so their quotient is an average that forgets, and idle times, in which nobody
//! could be served, count for nothing.

/// What is this old counts a third.
const FADE_NS: f64 = 10e9;
/// Less waiting than this is too little to judge by.
const EVIDENCE_NS: f64 = 1e9;

/// Of one deployment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServiceRate {
    tokens: f64,
    waited_ns: f64,
    updated_ns: u64,
}

impl ServiceRate {
    /// Time goes on; somebody has waited since the last update, or nobody.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn update(&mut self, is_waited_for: bool, now_ns: u64) {
        let passed_ns = now_ns.saturating_sub(self.updated_ns) as f64;
        let kept = (-passed_ns / FADE_NS).exp();
        self.tokens *= kept;
        self.waited_ns *= kept;
        if is_waited_for {
            self.waited_ns += FADE_NS * (1.0 - kept);
        }
        self.updated_ns = self.updated_ns.max(now_ns);
    }

    /// Somebody who waited was served.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(super) fn serve(&mut self, tokens: u64) {
        self.tokens += tokens as f64;
    }

    /// Tokens a nanosecond. `None`: too little was seen.
    pub(super) fn per_ns(&self) -> Option<f64> {
        (self.waited_ns >= EVIDENCE_NS).then(|| self.tokens / self.waited_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn follows_the_rate_and_ignores_idle_time() {
        let mut rate = ServiceRate::default();
        for second in 1..=60 {
            rate.update(true, second * SECOND_NS);
            rate.serve(500);
            assert_eq!(rate.per_ns().is_some(), second > 1, "at {second} s");
        }
        let per_second = |rate: &ServiceRate| rate.per_ns().map_or(0.0, |per_ns| per_ns * 1e9);
        assert!((480.0..560.0).contains(&per_second(&rate)), "{}", per_second(&rate));
        let before = per_second(&rate);
        rate.update(false, 65 * SECOND_NS);
        assert!((per_second(&rate) - before).abs() < 1.0);
        // Nothing is served while somebody waits.
        rate.update(true, 95 * SECOND_NS);
        assert!(per_second(&rate) < before / 5.0, "{}", per_second(&rate));
    }
}
