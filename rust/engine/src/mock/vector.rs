//! Embeddings: unit vectors that depend on their text alone, so that it has the same one in every run and dialect.

use super::delay::Random;

/// `dimensions` numbers between -1 and 1, together of length 1.
#[expect(clippy::cast_possible_truncation, reason = "embeddings are single precision")]
pub(super) fn unit_vector(text: &str, dimensions: usize) -> Vec<f32> {
    // FNV-1a: enough to tell texts apart.
    let seed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut random = Random::new(seed, 0);
    let values: Vec<f64> = (0..dimensions).map(|_| 2.0 * random.unit() - 1.0).collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.into_iter().map(|value| (value / length) as f32).collect()
}

/// Appends `[1,2]`.
pub(super) fn push_vector(target: &mut String, vector: &[f32]) {
    use std::fmt::Write;
    for (place, value) in vector.iter().enumerate() {
        let _ = write!(target, "{}{value}", if place == 0 { "[" } else { "," });
    }
    target.push(']');
}
