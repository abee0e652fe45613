//! Durations and moments as providers write them, in nanoseconds from now.
//!
//! Go's durations (`6m0s`, `17ms`), protobuf's (`1.5s`), words (`16 seconds`), clock time (`00:20:30`), plain numbers,
//! Unix time in seconds or milliseconds, RFC 3339, HTTP dates (RFC 9110, 5.6.7). What is over is 0; what is negative,
//! no number or further away than [`LONGEST_NS`] is `None`.

use std::time::UNIX_EPOCH;

const NS_PER_MS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;
const S_PER_DAY: u64 = 86_400;

/// A monthly quota starts anew within this time; whoever names a longer one is in error.
pub(super) const LONGEST_NS: u64 = 32 * S_PER_DAY * NS_PER_S;

/// From this number on, a plain number is Unix time in seconds (2001); no pause takes that long.
const UNIX_S_MIN: u64 = 1_000_000_000;
/// From this one on, in milliseconds (1973); as seconds it would be the year 5138.
const UNIX_MS_MIN: u64 = 100_000_000_000;

/// A number and its unit in nanoseconds, as often as they follow each other: `1h2m`, `1.6s`, `16 seconds`, with what
/// comes after. A number without unit counts seconds and ends it.
pub(super) fn duration(text: &str) -> Option<(u64, &str)> {
    let (mut total, mut rest) = (0_u64, text);
    let mut parts = 0;
    while let Some((number, after)) = Decimal::read(rest) {
        let word = after.strip_prefix(' ').unwrap_or(after);
        let length = word.bytes().take_while(u8::is_ascii_alphabetic).count();
        let Some(unit_ns) = unit_ns(&word[..length]) else {
            if parts > 0 || length > 0 {
                break;
            }
            return bounded(number.times(NS_PER_S)?).map(|total| (total, after));
        };
        total = bounded(total.checked_add(number.times(unit_ns)?)?)?;
        parts += 1;
        rest = &word[length..];
        if let Some(next) = rest.strip_prefix(' ').filter(|next| next.starts_with(|first: char| first.is_ascii_digit()))
        {
            rest = next;
        }
    }
    (parts > 0).then_some((total, rest))
}

/// `hh:mm:ss`, with days before it as .NET writes them: `2.09:58:55`.
pub(super) fn clock(text: &str) -> Option<u64> {
    let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.')).count();
    let mut parts = text[..end].trim_end_matches('.').split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    let total_s =
        [days, hours, minutes, seconds].iter().zip([S_PER_DAY, 3600, 60, 1]).try_fold(0_u64, |sum, part| {
            let (number, unit_s) = part;
            sum.checked_add(number.parse::<u64>().ok()?.checked_mul(unit_s)?)
        })?;
    if parts.next().is_some() { None } else { bounded(total_s.checked_mul(NS_PER_S)?) }
}

/// A decimal number of milliseconds and nothing else.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    let (number, rest) = Decimal::read(text.trim())?;
    if rest.is_empty() { bounded(number.times(NS_PER_MS)?) } else { None }
}

/// How long until a moment, or for a duration, in whichever way it is written.
pub(crate) fn until(text: &str, now_unix_ms: u64) -> Option<u64> {
    let text = text.trim();
    if let Some((number, "")) = Decimal::read(text) {
        return match number.whole {
            UNIX_MS_MIN.. => from_now(number.times(1)?, now_unix_ms),
            UNIX_S_MIN.. => from_now(number.times(1000)?, now_unix_ms),
            _ => bounded(number.times(NS_PER_S)?),
        };
    }
    if let Some((total, "")) = duration(text) {
        return Some(total);
    }
    from_now(unix_ms(text)?, now_unix_ms)
}

/// `2025-07-01 at 00:00 UTC`, with anything behind it.
pub(super) fn until_day(text: &str, now_unix_ms: u64) -> Option<u64> {
    let days = day(text.get(..10)?)?;
    let time = text.get(10..)?.strip_prefix(" at ")?.get(..5)?;
    let (hour, minute) = (two(time, 0)?, two(time, 3)?);
    let is_time = time.as_bytes()[2] == b':' && hour < 24 && minute < 60;
    let unix_s = days.checked_mul(S_PER_DAY)?.checked_add(hour * 3600 + minute * 60)?;
    if is_time { from_now(unix_s.checked_mul(1000)?, now_unix_ms) } else { None }
}

/// Milliseconds since 1970 of an RFC 3339 time or an HTTP date; `None` before 1970.
fn unix_ms(text: &str) -> Option<u64> {
    rfc3339(text).or_else(|| {
        let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok()
    })
}

/// RFC 3339, section 5.6. Fractions are cut at milliseconds, a leap second is the one after it.
fn rfc3339(text: &str) -> Option<u64> {
    let days = day(text.get(..10)?)?;
    let time = text.get(10..19)?;
    let (hour, minute, second) = (two(time, 1)?, two(time, 4)?, two(time, 7)?);
    let marks = (time.as_bytes()[0], time.as_bytes()[3], time.as_bytes()[6]);
    if !matches!(marks, (b'T' | b't' | b' ', b':', b':')) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut fraction_ms = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        let places = fraction.bytes().take(digits).chain(std::iter::repeat(b'0')).zip([100, 10, 1]);
        fraction_ms = places.map(|(digit, place)| u64::from(digit - b'0') * place).sum();
        rest = &fraction[digits..];
    }
    let local_ms = (days * S_PER_DAY + hour * 3600 + minute * 60 + second) * 1000 + fraction_ms;
    local_ms.checked_add_signed(-offset_ms(rest)?)
}

/// `Z`, `+02:00` or `-05:30`.
fn offset_ms(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let bytes = text.as_bytes();
    if bytes.len() != 6 || bytes[3] != b':' {
        return None;
    }
    let (hours, minutes) = (two(text, 1)?, two(text, 4)?);
    let offset = i64::try_from((hours * 60 + minutes) * 60_000).ok()?;
    match bytes[0] {
        b'+' if hours < 24 && minutes < 60 => Some(offset),
        b'-' if hours < 24 && minutes < 60 => Some(-offset),
        _ => None,
    }
}

/// Days from 1970 to `yyyy-mm-dd`, of the Gregorian calendar.
///
/// The year is taken to begin in March, so that the leap day is its last; months of 31 and 30 days then follow each
/// other so that 153 days make five of them.
fn day(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (two(text, 0)? * 100 + two(text, 2)?, two(text, 5)?, two(text, 8)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > length {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    Some(days - 719_468)
}

/// Two digits.
fn two(text: &str, at: usize) -> Option<u64> {
    let digits = text.get(at..at + 2)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn from_now(unix_ms: u64, now_unix_ms: u64) -> Option<u64> {
    bounded(unix_ms.saturating_sub(now_unix_ms).checked_mul(NS_PER_MS)?)
}

fn bounded(ns: u64) -> Option<u64> {
    (ns <= LONGEST_NS).then_some(ns)
}

fn unit_ns(word: &str) -> Option<u64> {
    Some(match word {
        "ns" => 1,
        "us" => 1000,
        "ms" | "msec" | "millisecond" | "milliseconds" => NS_PER_MS,
        "s" | "sec" | "secs" | "second" | "seconds" => NS_PER_S,
        "m" | "min" | "mins" | "minute" | "minutes" => 60 * NS_PER_S,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600 * NS_PER_S,
        "d" | "day" | "days" => S_PER_DAY * NS_PER_S,
        _ => return None,
    })
}

/// A number that is not negative.
#[derive(Clone, Copy)]
struct Decimal {
    whole: u64,
    billionths: u64,
}

impl Decimal {
    /// Digits, with a fraction if there is one, and what follows.
    fn read(text: &str) -> Option<(Self, &str)> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = text[..digits].parse().ok()?;
        let rest = &text[digits..];
        let fraction = rest.strip_prefix('.').unwrap_or("");
        let places = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if places == 0 {
            return Some((Self { whole, billionths: 0 }, rest));
        }
        let nine = fraction.bytes().take(places).chain(std::iter::repeat(b'0')).take(9);
        let billionths = nine.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        Some((Self { whole, billionths }, &fraction[places..]))
    }

    /// So many units, rounded down; `None` beyond `u64`.
    fn times(self, unit: u64) -> Option<u64> {
        let fraction = u128::from(self.billionths) * u128::from(unit) / 1_000_000_000;
        self.whole.checked_mul(unit)?.checked_add(u64::try_from(fraction).ok()?)
    }
}

#[cfg(test)]
#[path = "hints_time_tests.rs"]
mod tests;
