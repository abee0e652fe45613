use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;

fn s(seconds: f64) -> u64 {
    Duration::from_secs_f64(seconds).as_nanos().try_into().expect("small")
}

#[test]
fn durations() {
    for (text, seconds, rest) in [
        ("1.6s", 1.6, ""),
        ("6m0s", 360.0, ""),
        ("17ms", 0.017, ""),
        ("1h2m", 3720.0, ""),
        ("7m12.5s.", 432.5, "."),
        ("16 seconds. Contact us", 16.0, ". Contact us"),
        ("1 minute 30 seconds", 90.0, ""),
        ("2 days", 172_800.0, ""),
        ("36.429760048s", 36.429_760_048, ""),
        ("0s", 0.0, ""),
        ("20", 20.0, ""),
        ("20. Or not", 20.0, ". Or not"),
        ("1s5", 1.0, "5"),
    ] {
        assert_eq!(duration(text), Some((s(seconds), rest)), "{text}");
    }
    for text in ["", "s", "-1s", "+1s", ".5s", "2 business days", "1 fortnight", "99999999999999999999s", "33d", "∞s"]
    {
        assert_eq!(duration(text), None, "{text}");
    }
}

#[test]
fn clock_times() {
    assert_eq!(clock("00:20:30."), Some(s(1230.0)));
    assert_eq!(clock("2.09:58:55"), Some(s(2.0 * 86_400.0 + 9.0 * 3600.0 + 58.0 * 60.0 + 55.0)));
    for text in ["", "20", "00:20", "1:2:3:4", "a:b:c", "::", "99.00:00:00", "99999999999999999999:0:0"] {
        assert_eq!(clock(text), None, "{text}");
    }
}

#[test]
fn moments() {
    for (text, seconds) in [
        ("30", Some(30.0)),
        ("0", Some(0.0)),
        ("1.5", Some(1.5)),
        ("1m30s", Some(90.0)),
        ("1767225605", Some(5.0)),
        ("1767225605.250", Some(5.25)),
        ("1767225605000", Some(5.0)),
        ("1767225000", Some(0.0)),
        ("2026-01-01T00:00:07Z", Some(7.0)),
        ("2026-01-01t02:00:07.250+02:00", Some(7.25)),
        ("2025-12-31 19:00:07-05:00", Some(7.0)),
        ("2020-01-01T00:00:00Z", Some(0.0)),
        ("Thu, 01 Jan 2026 00:01:00 GMT", Some(60.0)),
        ("Wed, 31 Dec 2025 23:59:00 GMT", Some(0.0)),
        // 33 days, 100 years, and what is no time at all.
        ("2851200", None),
        ("2126-01-01T00:00:00Z", None),
        ("-5", None),
        ("NaN", None),
        ("inf", None),
        ("", None),
        ("soon", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-01T24:00:00Z", None),
        ("2026-01-01T00:00:00.Z", None),
        ("2026-01-01T00:00:00+0200", None),
        ("2026-01-01", None),
        ("18446744073709551615", None),
        ("18446744073709551616", None),
    ] {
        assert_eq!(until(text, NOW_MS), seconds.map(s), "{text}");
    }
    assert_eq!(milliseconds(" 1600 "), Some(s(1.6)));
    assert_eq!(milliseconds("0.5"), Some(500_000));
    assert_eq!(milliseconds("16s"), None);
    assert_eq!(until_day("2026-01-02 at 01:30 UTC.", NOW_MS), Some(s(91_800.0)));
    assert_eq!(until_day("2025-01-02 at 01:30 UTC.", NOW_MS), Some(0));
    for text in ["2026-01-02", "2026-01-02 at 0130 UTC", "2026-01-02 at 25:00 UTC", "2026-01-0é at 01:30"] {
        assert_eq!(until_day(text, NOW_MS), None, "{text}");
    }
}

#[test]
fn days_that_are_none() {
    assert_eq!((day("1970-01-01"), day("2000-02-29"), day("2024-02-29")), (Some(0), Some(11_016), Some(19_782)));
    for text in
        ["2100-02-29", "2023-02-29", "2023-04-31", "2023-13-01", "2023-00-01", "2023-01-00", "1969-12-31", "2023/01/01"]
    {
        assert_eq!(day(text), None, "{text}");
    }
}

/// Counts the days one by one.
fn date_after(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let (mut year, mut month) = (1970, 1);
    loop {
        let february = if is_leap(year) { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let length = lengths[usize::try_from(month - 1).expect("small")];
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
        month += 1;
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
}

proptest! {
    #[test]
    fn every_rfc_3339_time_is_read(unix_s in 0_u64..8_000_000_000, ms in 0_u64..1000, offset_min in -1439_i64..1440) {
        let local_s = unix_s.saturating_add_signed(offset_min * 60);
        prop_assume!(local_s >= 86_400);
        let (year, month, day) = date_after(local_s / 86_400);
        let (hour, minute, second) = (local_s / 3600 % 24, local_s / 60 % 60, local_s % 60);
        let (sign, offset) = (if offset_min < 0 { '-' } else { '+' }, offset_min.abs());
        let written = format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}{sign}{:02}:{:02}",
            offset / 60, offset % 60,
        );
        prop_assert_eq!(unix_ms(&written), Some(unix_s * 1000 + ms), "{}", written);
        let http = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix_s));
        prop_assert_eq!(unix_ms(&http), Some(unix_s * 1000));
    }

    #[test]
    fn every_go_duration_is_read(hours in 0_u64..700, minutes in 0_u64..60, seconds in 0_u64..60, ms in 0_u64..1000) {
        let written = format!("{hours}h{minutes}m{seconds}.{ms:03}s");
        let total_ns = (((hours * 60 + minutes) * 60 + seconds) * 1000 + ms) * NS_PER_MS;
        prop_assert_eq!(duration(&written), Some((total_ns, "")));
        prop_assert_eq!(until(&written, NOW_MS), Some(total_ns));
    }

    #[test]
    fn nothing_panics_or_exceeds_the_longest(text in "\\PC{0,40}", digits in "[-0-9.:dhmsTZ +]{0,30}", now in any::<u64>()) {
        for text in [text.as_str(), digits.as_str()] {
            let found = [
                duration(text).map(|(total, _)| total), clock(text), milliseconds(text), until(text, now),
                until_day(text, now),
            ];
            prop_assert!(found.iter().flatten().all(|total| *total <= LONGEST_NS));
        }
    }
}
