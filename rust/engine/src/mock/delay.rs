//! How long the mock waits: fixed, uniform or lognormal milliseconds, drawn from a seeded generator.
//!
//! The generator is splitmix64 (Steele, Lea, Flood 2014) started from seed and request number, so a request's delays
//! depend on neither the thread that serves it nor its neighbours.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// The 99th percentile of the standard normal distribution: turns a p99 into a sigma.
const NORMAL_P99: f64 = 2.326_347_874;

/// A small repeatable generator; not for secrets.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64, draw: u64) -> Self {
        Self(seed ^ draw.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in (0, 1], so that its logarithm exists.
    #[expect(clippy::cast_precision_loss, reason = "53 random bits are what an f64 holds exactly")]
    pub(super) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// A distribution of milliseconds. Written as `20`, `"uniform(10,50)"` or `"lognormal(p50,p99)"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Delay {
    Fixed(f64),
    Uniform { low: f64, high: f64 },
    Lognormal { median: f64, sigma: f64 },
}

impl Delay {
    pub(super) fn draw(self, random: &mut Random) -> Duration {
        let milliseconds = match self {
            Self::Fixed(value) => value,
            Self::Uniform { low, high } => low + (high - low) * random.unit(),
            Self::Lognormal { median, sigma } => median * (sigma * random.normal()).exp(),
        };
        Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or(Duration::MAX)
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("delay {text:?}: want milliseconds, uniform(low,high) or lognormal(p50,p99)");
        let pair = |inside: &str| -> Option<(f64, f64)> {
            let (first, second) = inside.strip_suffix(')')?.split_once(',')?;
            Some((first.trim().parse().ok()?, second.trim().parse().ok()?))
        };
        let text = text.trim();
        if let Some(inside) = text.strip_prefix("uniform(") {
            return match pair(inside) {
                Some((low, high)) if 0.0 <= low && low <= high => Ok(Self::Uniform { low, high }),
                _ => Err(wrong()),
            };
        }
        if let Some(inside) = text.strip_prefix("lognormal(") {
            return match pair(inside) {
                Some((median, p99)) if 0.0 < median && median <= p99 => {
                    Ok(Self::Lognormal { median, sigma: (p99 / median).ln() / NORMAL_P99 })
                }
                _ => Err(wrong()),
            };
        }
        match text.parse::<f64>() {
            Ok(value) if value >= 0.0 && value.is_finite() => Ok(Self::Fixed(value)),
            _ => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => Self::parse(&number.to_string()),
            Value::String(text) => Self::parse(&text),
            other => Err(format!("delay {other}: want a number or a string")),
        }
        .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantile(delay: Delay, share: f64) -> f64 {
        let mut drawn: Vec<f64> =
            (0..20_000).map(|draw| delay.draw(&mut Random::new(7, draw)).as_secs_f64() * 1000.0).collect();
        drawn.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below 20,000")]
        drawn[(share * 20_000.0) as usize]
    }

    #[test]
    fn lognormal_keeps_its_two_percentiles() {
        let delay = Delay::parse("lognormal(20, 80)").expect("parses");
        assert!((quantile(delay, 0.5) - 20.0).abs() < 1.0);
        assert!((quantile(delay, 0.99) - 80.0).abs() < 6.0);
    }

    #[test]
    fn uniform_stays_between_its_bounds_and_repeats_with_its_seed() {
        let delay = Delay::parse("uniform(10,50)").expect("parses");
        assert!(quantile(delay, 0.0) >= 10.0 && quantile(delay, 0.9999) <= 50.0);
        assert_eq!(delay.draw(&mut Random::new(1, 2)), delay.draw(&mut Random::new(1, 2)));
        assert_ne!(delay.draw(&mut Random::new(1, 2)), delay.draw(&mut Random::new(1, 3)));
    }

    #[test]
    fn refuses_what_is_no_delay() {
        for text in ["", "-1", "NaN", "inf", "uniform(5,1)", "lognormal(0,5)", "lognormal(9,5)", "gamma(1,2)"] {
            assert!(Delay::parse(text).is_err(), "{text}");
        }
    }
}
