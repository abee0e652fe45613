//! How long to wait before a repeat: full jitter, so that clients that failed together do not come back together.
//!
//! Full jitter spreads best of the usual ways and costs the fewest calls: "Exponential Backoff And Jitter", AWS
//! Architecture Blog, 2015.

const HINT_JITTER_MIN_NS: u64 = 10_000_000;
const HINT_JITTER_MAX_NS: u64 = 1_000_000_000;

/// A time from 0 to `base_ns` × 2^`repeat`, but not above `max_ns`. `repeat` counts from 0, `random` is uniform over all
/// of `u64`.
#[must_use]
pub fn full_jitter(base_ns: u64, max_ns: u64, repeat: u32, random: u64) -> u64 {
    let factor = 1_u64.checked_shl(repeat).unwrap_or(u64::MAX);
    scale(base_ns.saturating_mul(factor).min(max_ns), random)
}

/// A provider's hint and up to a tenth more, so that all who were told the same time do not come at once. Never less
/// than the hint.
#[must_use]
pub fn after_hint(hint_ns: u64, random: u64) -> u64 {
    hint_ns.saturating_add(scale((hint_ns / 10).clamp(HINT_JITTER_MIN_NS, HINT_JITTER_MAX_NS), random))
}

/// Maps a draw onto 0..=`span`.
fn scale(span: u64, random: u64) -> u64 {
    let scaled = (u128::from(random) * (u128::from(span) + 1)) >> 64;
    u64::try_from(scaled).unwrap_or(span)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_span_doubles_up_to_its_end() {
        let longest = |repeat| full_jitter(250, 2000, repeat, u64::MAX);
        assert_eq!([0, 1, 2, 3, 4, 63, 64, u32::MAX].map(longest), [250, 500, 1000, 2000, 2000, 2000, 2000, 2000]);
        assert_eq!(full_jitter(250, 2000, 3, 0), 0);
        assert_eq!(full_jitter(u64::MAX, u64::MAX, 9, u64::MAX), u64::MAX);
        assert_eq!(full_jitter(250, 2000, 1, u64::MAX / 2), 250);
    }

    proptest! {
        #[test]
        fn a_hint_is_never_undercut(hint_ns in any::<u64>(), random in any::<u64>()) {
            let wait_ns = after_hint(hint_ns, random);
            prop_assert!(wait_ns >= hint_ns);
            prop_assert!(wait_ns - hint_ns <= HINT_JITTER_MAX_NS);
        }
    }
}
