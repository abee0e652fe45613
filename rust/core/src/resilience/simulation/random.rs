//! Numbers that only look random: `SplitMix64` (Steele, Lea and Flood, 2014), and the distributions made of it.

/// The spread of times: a standard deviation of their logarithm.
const SPREAD: f64 = 0.5;

pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform over all of `u64`.
    pub(super) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let scaled = (u128::from(self.draw()) * u128::from(bound)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }

    /// Above 0, up to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        ((self.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Gaps of a Poisson process.
    pub(super) fn exponential(&mut self, mean_ns: u64) -> u64 {
        scale(mean_ns, -self.unit().ln())
    }

    pub(super) fn log_normal(&mut self, median_ns: u64) -> u64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        scale(median_ns, (SPREAD * normal).exp())
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a factor above 0; what is too large saturates"
)]
fn scale(value_ns: u64, factor: f64) -> u64 {
    (value_ns as f64 * factor) as u64
}
