//! Amounts of money beside rates: those that providers write, and discounts. Exact, half to even.

const DECIMALS: i64 = 12;
const MILLION: u32 = 1_000_000;

/// Reads a JSON number of dollars as picodollars; what is finer is rounded. `None`: no number, negative, or more than
/// `i64` holds (9.2 million dollars).
#[must_use]
pub fn read_usd(number: &[u8]) -> Option<i64> {
    let number = std::str::from_utf8(number).ok()?;
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (number, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let shift = DECIMALS + i64::from(exponent) - i64::try_from(fraction.len()).ok()?;
    if digits.is_empty() {
        return Some(0);
    }
    if shift >= 0 {
        return digits.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(u32::try_from(shift).ok()?)?);
    }
    let dropped = usize::try_from(-shift).ok()?;
    // Below a tenth of a picodollar nothing is left to round up.
    let Some(kept) = digits.len().checked_sub(dropped) else { return Some(0) };
    let (kept, rest) = digits.split_at(kept);
    let kept: i64 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let (first, others) = rest.split_at(1);
    let is_up = match first {
        "5" => others.bytes().any(|digit| digit != b'0') || kept % 2 == 1,
        first => first > "5",
    };
    kept.checked_add(i64::from(is_up))
}

/// An amount less a part of it, in millionths; more than all is all.
#[must_use]
pub fn discounted(pusd: i64, discount_millionths: u32) -> i64 {
    let kept = i128::from(pusd) * i128::from(MILLION.saturating_sub(discount_millionths));
    let million = i128::from(MILLION);
    let (whole, rest) = (kept.div_euclid(million), kept.rem_euclid(million));
    let is_up = rest * 2 > million || (rest * 2 == million && whole % 2 != 0);
    // No larger than what it was.
    i64::try_from(whole + i128::from(is_up)).unwrap_or(pusd)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<i64> {
        read_usd(text.as_bytes())
    }

    #[test]
    fn dollars_are_read_exactly() {
        for (text, pusd) in [
            ("0", 0),
            ("0.0", 0),
            ("0e5", 0),
            ("1", 1_000_000_000_000),
            ("0.95", 950_000_000_000),
            ("1e-12", 1),
            ("1.5E-7", 150_000),
            ("2e+2", 200_000_000_000_000),
            // What a float made of 0.1 + 0.2 is written as.
            ("0.30000000000000004", 300_000_000_000),
            ("0.0000000000005", 0),
            ("0.00000000000050000000001", 1),
            ("0.0000000000015", 2),
            ("0.0000000000025", 2),
            ("1e-13", 0),
            ("9e-13", 1),
            ("9e-14", 0),
            ("1e-2000000000", 0),
            ("9223372.036854775807", i64::MAX),
        ] {
            assert_eq!(read(text), Some(pusd), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_none() {
        for text in ["", "-1", "-0.1", "1.", ".1", "+1", "1e", "1e5.0", "NaN", "null", "1_0", " 1", "0x1"] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["9223372.036854775808", "9223372.0368547758075", "1e7", "1e999", "1e99999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_discount_is_exact_and_rounds_half_to_even() {
        assert_eq!(discounted(1_000_000_000_000, 100_000), 900_000_000_000);
        assert_eq!(discounted(7, 0), 7);
        assert_eq!((discounted(1, 500_000), discounted(3, 500_000)), (0, 2));
        assert_eq!((discounted(7, 1_000_000), discounted(7, u32::MAX)), (0, 0));
        assert_eq!(discounted(i64::MAX, 0), i64::MAX);
        assert_eq!(discounted(i64::MAX, 1), 9_223_362_813_482_738_952);
    }

    proptest! {
        #[test]
        fn any_whole_picodollars_come_back_however_they_are_written(pusd in 0..=i64::MAX, shift in 0_u32..12) {
            let (dollars, rest) = (pusd / 1_000_000_000_000, pusd % 1_000_000_000_000);
            prop_assert_eq!(read(&format!("{dollars}.{rest:012}")), Some(pusd));
            prop_assert_eq!(read(&format!("{pusd}e-12")), Some(pusd));
            let (whole, fraction) = (pusd / 10_i64.pow(shift), pusd % 10_i64.pow(shift));
            let width = shift as usize;
            let text = if shift == 0 { whole.to_string() } else { format!("{whole}.{fraction:0width$}") };
            let exponent = i64::from(shift) - DECIMALS;
            prop_assert_eq!(read(&format!("{text}E{exponent}")), Some(pusd));
        }

        #[test]
        fn a_discount_is_within_half_a_picodollar(pusd in 0..=i64::MAX, millionths in 0..=1_000_000_u32) {
            let exact = i128::from(pusd) * i128::from(1_000_000 - millionths);
            let off = (i128::from(discounted(pusd, millionths)) * 1_000_000 - exact).abs();
            prop_assert!(off <= 500_000);
        }
    }
}
