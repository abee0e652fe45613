//! What a vendor's tokenizer seems to do, where it is not public: tokens per byte, learned from the usage it reports.

/// A guess before anything was learned: JSON requests and English answers run at about this.
const START_RATIO: f64 = 0.25;
/// Bytes whose reports count as much as all that was known before: some dozens of exchanges.
const MEMORY_BYTES: f64 = 262_144.0;
/// One token per byte is the only bound that holds for every byte-level tokenizer.
const MAXIMUM_RATIO: f64 = 1.0;

/// Tokens per byte, exponentially weighted by bytes. It may reserve and estimate; it never proves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factor(f64);

impl Default for Factor {
    fn default() -> Self {
        Self(START_RATIO)
    }
}

impl Factor {
    /// The factor after a provider reported `tokens` for `bytes` of text. Reports without either teach nothing.
    #[must_use]
    pub fn observe(self, bytes: u64, tokens: u64) -> Self {
        if bytes == 0 || tokens == 0 {
            return self;
        }
        let (bytes, tokens) = (as_float(bytes), as_float(tokens));
        let weight = bytes / (bytes + MEMORY_BYTES);
        let seen = (tokens / bytes).min(MAXIMUM_RATIO);
        Self(self.0 + (seen - self.0) * weight)
    }

    /// Tokens that `bytes` of text are likely to be, rounded up.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `bytes`")]
    pub fn estimate(self, bytes: u64) -> u64 {
        (as_float(bytes) * self.0).ceil() as u64
    }

    /// For keeping it in an atomic.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        self.0.to_bits()
    }

    /// The factor whose bits these are; anything else counts as not learned.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let ratio = f64::from_bits(bits);
        if ratio > 0.0 && ratio <= MAXIMUM_RATIO { Self(ratio) } else { Self::default() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate of sizes far below 2^52")]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_move_the_factor_towards_what_they_say() {
        let mut factor = Factor::default();
        for _ in 0..1_000 {
            factor = factor.observe(4_000, 2_000);
        }
        assert_eq!(factor.estimate(10_000), 5_000);
        assert_eq!(Factor::from_bits(factor.to_bits()), factor);
        // The vendor changes its tokenizer: the old reports fade.
        for _ in 0..1_000 {
            factor = factor.observe(4_000, 1_000);
        }
        assert_eq!(factor.estimate(10_000), 2_501);
    }

    #[test]
    fn what_teaches_nothing_changes_nothing() {
        let factor = Factor::default();
        assert_eq!(factor.observe(0, 7).observe(7, 0), factor);
        assert_eq!(Factor::from_bits(0), factor);
        assert_eq!(Factor::from_bits(f64::NAN.to_bits()), factor);
        assert_eq!((factor.estimate(0), factor.estimate(1)), (0, 1));
    }

    #[test]
    fn an_estimate_never_exceeds_a_token_per_byte() {
        // Reasoning is billed and not seen: more tokens than bytes.
        let factor = (0..10_000).fold(Factor::default(), |factor, _| factor.observe(1_000, 50_000));
        assert!(factor.estimate(1_000) <= 1_000);
    }
}
