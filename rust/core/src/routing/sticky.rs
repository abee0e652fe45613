//! Weighted rendezvous hashing: the same key always finds the same deployment, shares follow weights, and a deployment
//! that comes or goes moves only the keys it wins or loses.
//!
//! Hashes are of ids and fixed for good, so a key's place survives restarts, reloads and other machines. Source: Thaler
//! and Ravishankar, "Using name-based mappings to increase hit rates", 1998; with weights, Mosko and Schinke.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of a name that never changes with the program's version. Not for secrets: whoever chooses a name chooses it.
pub(super) fn hash(name: &[u8]) -> u64 {
    let (words, rest) = name.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    // The length keeps names apart that differ by trailing zeros.
    let start = mix(name.len() as u64 ^ MULTIPLIER);
    words.iter().chain([&last]).fold(start, |hash, word| mix(hash ^ u64::from_le_bytes(*word)))
}

/// How far a key is from a deployment: the nearest, being the lowest, wins. Shares follow weights since the lowest of
/// exponentially distributed numbers is each one in proportion to its rate.
pub(super) fn distance(key_hash: u64, id_hash: u64, weight: u32) -> u64 {
    let draw = mix(key_hash ^ id_hash.rotate_left(32)) >> 12;
    // Within 0 and 1, neither included; 52 bits are exact.
    #[expect(clippy::cast_precision_loss, reason = "52 bits are exact")]
    let uniform = (draw as f64 + 0.5) / (1_u64 << 52) as f64;
    // Positive floats order as their bits do.
    (-log2(uniform) / f64::from(weight)).to_bits()
}

/// The logarithm of a positive normal number, 7 · 10⁻⁶ off at most and right at powers of two. Faster than that of
/// the C library, and the same to the bit on every machine, which that one does not promise.
fn log2(number: f64) -> f64 {
    // (log₂(1 + t) − t) ÷ t(1 − t) through its Chebyshev nodes on 0 to 1, lowest power first.
    const CURVE: [f64; 5] = [
        0.442_654_072_489_778_3,
        -0.276_569_503_048_818,
        0.184_100_828_874_066_37,
        -0.097_201_833_733_276_55,
        0.025_691_262_678_379_48,
    ];
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = number.to_bits();
    let exponent = (bits >> MANTISSA_BITS) as i32 - 1023;
    let t = f64::from_bits(bits & ((1 << MANTISSA_BITS) - 1) | 1.0_f64.to_bits()) - 1.0;
    let square = t * t;
    let curve = (CURVE[0] + CURVE[1] * t) + square * ((CURVE[2] + CURVE[3] * t) + square * CURVE[4]);
    f64::from(exponent) + (t + t * (1.0 - t) * curve)
}

/// Every bit of the result depends on every bit of the input (the finaliser of `SplitMix64`).
const fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(MULTIPLIER);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
#[path = "sticky_tests.rs"]
mod tests;
