"""Which time a report is about: its bounds, its days and months in a time zone.

A period is half open. Ages of whole days go back to a midnight of the zone, others to a full hour: what the
ledger has sums of is cheap.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from fastgate.config.units import Duration, Moment
from fastgate.errors import FastgateError

HOUR_S = 3600
DAY_S = 86_400
LONGEST_S = 3660 * DAY_S


class UnfitPeriod(FastgateError):
    """A time that no report can be about."""

    status = 400
    code = "unfit_period"


class Period(msgspec.Struct, frozen=True):
    """From a moment up to another, which is not included."""

    since_unix_s: int
    until_unix_s: int
    time_zone: str = "UTC"
    """IANA name: where days and months begin and end."""

    @property
    def length_s(self) -> int:
        """Seconds."""
        return self.until_unix_s - self.since_unix_s

    @property
    def zone(self) -> ZoneInfo:
        """The time zone itself."""
        return ZoneInfo(self.time_zone)

    def before(self) -> "Period":
        """The period of the same length right before."""
        return Period(self.since_unix_s - self.length_s, self.since_unix_s, self.time_zone)

    def day(self, unix_s: int) -> date:
        """The day in the period's zone that a moment belongs to."""
        return datetime.fromtimestamp(unix_s, self.zone).date()

    def days(self) -> list[date]:
        """Every day of which the period has a part."""
        first, last = self.day(self.since_unix_s), self.day(self.until_unix_s - 1)
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def months(self) -> Iterator[tuple["Period", int]]:
        """The parts of calendar months that the period has, and the length of each whole month in seconds."""
        start = self.day(self.since_unix_s).replace(day=1)
        while (starts_s := starts(start, self.zone)) < self.until_unix_s:
            end = (start + timedelta(days=32)).replace(day=1)
            ends_s = starts(end, self.zone)
            since_s, until_s = max(self.since_unix_s, starts_s), min(self.until_unix_s, ends_s)
            yield Period(since_s, until_s, self.time_zone), ends_s - starts_s
            start = end


def starts(day: date, zone: ZoneInfo) -> int:
    """A day's first second. Where the clock jumps over midnight, when midnight would have been."""
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        UnfitPeriod: There is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UnfitPeriod(f"there is no time zone {name!r}; it is a name as Europe/Berlin") from None


def period(since: str, until: str | None, time_zone: str, now_unix_s: int) -> Period:
    """The period that somebody asks for.

    Args:
        since: An age (`30d`, `12h`), a date or a moment. An age of whole days goes back to the start of
            that day.
        until: The same; now if None. A date is its first second, so the day itself is not in the period.
        time_zone: IANA name.
        now_unix_s: The time.

    Raises:
        UnfitPeriod: One of them can't be understood, or they are in the wrong order.
    """
    zone = zone_of(time_zone)
    since_s = _moment("since", since, zone, now_unix_s)
    # What is being counted in this hour belongs to the report.
    until_s = (
        -(-now_unix_s // HOUR_S) * HOUR_S if until is None else _moment("until", until, zone, now_unix_s)
    )
    found = Period(since_s, until_s, time_zone)
    if found.length_s <= 0:
        raise UnfitPeriod(f"the period ends before it begins: from {since} to {until or 'now'}")
    if found.length_s > LONGEST_S:
        raise UnfitPeriod(f"a report is about at most {LONGEST_S // DAY_S} days")
    return found


def _moment(name: str, text: str, zone: ZoneInfo, now_unix_s: int) -> int:
    try:
        age_s = Duration.parse(text) // 1000
    except ValueError:
        age_s = 0
    if age_s:
        if age_s % DAY_S:
            return (now_unix_s - age_s) // HOUR_S * HOUR_S
        return starts(datetime.fromtimestamp(now_unix_s, zone).date() - timedelta(days=age_s // DAY_S), zone)
    try:
        return starts(date.fromisoformat(text), zone) if len(text) == 10 else Moment.parse(text)
    except (ValueError, OverflowError, OSError):
        raise UnfitPeriod(
            f'{name}: must be an age as "30d" or "12h", a date, or a time with its offset; is {text[:40]!r}'
        ) from None


def shown(unix_s: int, time_zone: str = "UTC") -> str:
    """A moment for people, to the minute; only the date at midnight."""
    moment = datetime.fromtimestamp(unix_s, ZoneInfo(time_zone))
    return moment.strftime("%Y-%m-%d" if (moment.hour, moment.minute) == (0, 0) else "%Y-%m-%d %H:%M")
