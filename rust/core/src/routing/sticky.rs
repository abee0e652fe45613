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
    (-uniform.ln() / f64::from(weight)).to_bits()
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
