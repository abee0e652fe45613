use jiff::civil::date;
use proptest::prelude::*;

use super::*;

/// Zones with a history: midnights skipped, midnights twice, a clock put back from one day into the day before, a day
/// that never was, half hours, and none of it.
const ZONES: [&str; 13] = [
    "UTC",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "America/Toronto",
    "Asia/Beirut",
    "Africa/Cairo",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
];

const PERIODS: [Period; 3] = [Period::Day, Period::Week, Period::Month];

/// The first day of the period that the clock on the wall shows.
fn shown(zone: &TimeZone, period: Period, unix_s: i64) -> Date {
    let shown = zone.to_datetime(Timestamp::from_second(unix_s).unwrap()).date();
    match period {
        Period::Day => shown,
        Period::Week => {
            (0..7).map(|days| shown.checked_sub(Span::new().days(days)).unwrap()).find(|date| is_monday(*date)).unwrap()
        }
        Period::Month => date(shown.year(), shown.month(), 1),
    }
}

fn is_monday(date: Date) -> bool {
    date.weekday() == jiff::civil::Weekday::Monday
}

fn zoned(period: Period, zone: &str) -> (Periods, TimeZone) {
    (Periods::prepare(period, zone).unwrap(), TimeZoneDatabase::bundled().get(zone).unwrap())
}

fn unix_s(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

proptest! {
    /// A period begins with the first second that shows it, and goes on until the next one is shown: the clock on the
    /// wall may show the day before once more, never the day after.
    #[test]
    fn a_period_is_what_the_wall_shows_first(
        zone in prop::sample::select(&ZONES[..]),
        period in prop::sample::select(&PERIODS[..]),
        unix_s in -2_500_000_000..4_200_000_000_i64,
    ) {
        let (periods, zone) = zoned(period, zone);
        let (start_s, end_s) = periods.bounds(unix_s);
        prop_assert!(start_s <= unix_s && unix_s < end_s);
        let first = shown(&zone, period, start_s);
        prop_assert!(shown(&zone, period, start_s - 1) < first);
        prop_assert!(shown(&zone, period, end_s - 1) <= first && shown(&zone, period, end_s) > first);
        for second in (start_s..end_s).step_by(907) {
            prop_assert!(shown(&zone, period, second) <= first);
        }
        prop_assert_eq!(periods.bounds(end_s).0, end_s);
        prop_assert_eq!(periods.bounds(start_s - 1).1, start_s);
        prop_assert_eq!(periods.bounds(unix_s), (start_s, end_s));
    }

    /// Around changes of the clock, which random moments seldom meet.
    #[test]
    fn changes_of_the_clock_leave_no_gap(
        zone in prop::sample::select(&ZONES[..]),
        period in prop::sample::select(&PERIODS[..]),
        from_s in -2_500_000_000..4_200_000_000_i64,
        offset_s in -90_000..90_000_i64,
    ) {
        let (periods, zone) = zoned(period, zone);
        let change = zone.following(Timestamp::from_second(from_s).unwrap()).next();
        let near_s = change.map_or(from_s, |change| change.timestamp().as_second()) + offset_s;
        let (start_s, end_s) = periods.bounds(near_s);
        prop_assert!(start_s <= near_s && near_s < end_s);
        prop_assert!(shown(&zone, period, start_s - 1) < shown(&zone, period, start_s));
        prop_assert_eq!(shown(&zone, period, end_s - 1).max(shown(&zone, period, start_s)), shown(&zone, period, start_s));
        prop_assert!(shown(&zone, period, end_s) > shown(&zone, period, start_s));
        prop_assert_eq!(periods.bounds(end_s).0, end_s);
        prop_assert_eq!(periods.bounds(start_s - 1).1, start_s);
    }

    #[test]
    fn no_moment_is_out_of_range(period in prop::sample::select(&PERIODS[..]), unix_s in any::<i64>()) {
        let (start_s, end_s) = Periods::prepare(period, "America/St_Johns").unwrap().bounds(unix_s);
        prop_assert!(start_s < end_s);
        prop_assert!(end_s - start_s > 3600, "{start_s} to {end_s}");
    }
}

#[test]
fn edges_are_where_history_put_them() {
    for (period, zone, within, start, end) in [
        (Period::Day, "Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
        (Period::Day, "Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
        // Midnight is skipped: the day begins at 01:00.
        (Period::Day, "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"),
        // 23:30 to 00:30 is skipped.
        (Period::Day, "America/Toronto", "1919-03-31T12:00:00Z", "1919-03-31T04:30:00Z", "1919-04-01T04:00:00Z"),
        // Midnight comes twice.
        (Period::Day, "America/Havana", "2025-11-02T12:00:00Z", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z"),
        // At 00:01 the clock is put back to 23:01 of the day before.
        (Period::Day, "America/St_Johns", "2010-11-07T02:45:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z"),
        // 30 December was left out.
        (Period::Day, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
        (Period::Week, "UTC", "2026-11-29T23:59:59Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"),
        (Period::Month, "Asia/Kathmandu", "2028-02-29T18:00:00Z", "2028-01-31T18:15:00Z", "2028-02-29T18:15:00Z"),
        (Period::Month, "UTC", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    ] {
        let bounds = Periods::prepare(period, zone).unwrap().bounds(unix_s(within));
        assert_eq!(bounds, (unix_s(start), unix_s(end)), "{zone} at {within}");
    }
}

#[test]
fn a_zone_that_is_unknown_is_named() {
    let message = Periods::prepare(Period::Day, "Europe/Atlantis").unwrap_err();
    assert!(message.contains("\"Europe/Atlantis\""), "{message}");
}
