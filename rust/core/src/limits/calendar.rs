//! When a day, a week or a month of a time zone begins and ends.
//!
//! Periods follow each other without gap or overlap, so a quota of one is a quota of all time. A day begins with its
//! first moment: at 01:00 where midnight is skipped, at the first of two midnights where it comes twice. Where a clock
//! that is put back shows yesterday's date again, the new day goes on: what has begun does not un-begin.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::{Date, time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

use crate::tables::limits::Period;

/// Moments outside are taken for the nearest one inside: the years 1 to 9000 or so.
const UNIX_S: std::ops::RangeInclusive<i64> = -62_000_000_000..=221_000_000_000;

/// Bits of [`Periods::latest`] for the length; a month has fewer than 2²² seconds.
const LENGTH_BITS: u32 = 22;

/// The periods of one kind in one time zone.
#[derive(Debug)]
pub struct Periods {
    period: Period,
    zone: TimeZone,
    /// The period found last, since it is nearly always the one that is asked for: its start above its length in
    /// seconds, in one word that many threads may read and write. 0: none yet.
    latest: AtomicU64,
}

impl Periods {
    /// Periods by the rules of an IANA time zone, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// The time zone is unknown.
    pub fn prepare(period: Period, time_zone: &str) -> Result<Self, String> {
        let zone = TimeZoneDatabase::bundled().get(time_zone).map_err(|_| {
            format!("the time zone {time_zone:?} is unknown; an IANA name such as Europe/Berlin is needed")
        })?;
        Ok(Self { period, zone, latest: AtomicU64::new(0) })
    }

    /// The period that a moment lies in: its first second, and that of the next one.
    #[must_use]
    pub fn bounds(&self, unix_s: i64) -> (i64, i64) {
        let unix_s = unix_s.clamp(*UNIX_S.start(), *UNIX_S.end());
        let latest = self.latest.load(Ordering::Relaxed);
        let start_s = latest.cast_signed() >> LENGTH_BITS;
        let end_s = start_s + (latest & ((1 << LENGTH_BITS) - 1)).cast_signed();
        if start_s <= unix_s && unix_s < end_s {
            return (start_s, end_s);
        }
        // Such moments and their neighbours are far inside what a date can be.
        let (start_s, end_s) = self.find(unix_s).unwrap_or((unix_s, unix_s + 1));
        let packed = (start_s << LENGTH_BITS) | (end_s - start_s);
        self.latest.store(packed.cast_unsigned(), Ordering::Relaxed);
        (start_s, end_s)
    }

    fn find(&self, unix_s: i64) -> Result<(i64, i64), jiff::Error> {
        let date = self.zone.to_datetime(Timestamp::from_second(unix_s)?).date();
        let mut first = match self.period {
            Period::Day => date,
            Period::Week => date.checked_sub(Span::new().days(date.weekday().to_monday_zero_offset()))?,
            Period::Month => date.first_of_month(),
        };
        let mut start_s = self.start_s(first)?;
        loop {
            let next = first.checked_add(self.length())?;
            let end_s = self.start_s(next)?;
            if unix_s < end_s {
                return Ok((start_s, end_s));
            }
            (first, start_s) = (next, end_s);
        }
    }

    fn length(&self) -> Span {
        match self.period {
            Period::Day => Span::new().days(1),
            Period::Week => Span::new().weeks(1),
            Period::Month => Span::new().months(1),
        }
    }

    /// The first second of a date.
    fn start_s(&self, date: Date) -> Result<i64, jiff::Error> {
        let midnight = self.zone.to_ambiguous_timestamp(date.to_datetime(time(0, 0, 0, 0)));
        let earlier = midnight.earlier()?;
        if !matches!(midnight.offset(), AmbiguousOffset::Gap { .. }) {
            return Ok(earlier.as_second());
        }
        // The clock jumps over midnight, perhaps from before it: the day begins where it lands.
        let jump = self.zone.following(earlier).next().map(|transition| transition.timestamp());
        Ok(jump.map_or_else(|| midnight.compatible(), Ok)?.as_second())
    }
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
