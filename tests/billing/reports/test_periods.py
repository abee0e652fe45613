"""Periods: what is typed, in which zone, and the days and months within."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.billing.reports.periods import (
    HOUR_S,
    Period,
    UnfitPeriod,
    period,
    shown,
    starts,
    zone_of,
)

NOW = int(datetime(2026, 11, 29, 10, 20, tzinfo=UTC).timestamp())
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Pacific/Apia",
]


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("since", "until", "zone", "expected"),
    [
        ("30d", None, "UTC", (at(2026, 10, 30), at(2026, 11, 29, 11))),
        ("12h", None, "UTC", (at(2026, 11, 28, 22), at(2026, 11, 29, 11))),
        ("24h", None, "Europe/Berlin", (at(2026, 11, 27, 23), at(2026, 11, 29, 11))),
        ("2026-11-01", "2026-11-29", "Europe/Berlin", (at(2026, 10, 31, 23), at(2026, 11, 28, 23))),
        ("2026-11-01T10:30:00+02:00", "1d", "UTC", (at(2026, 11, 1, 8, 30), at(2026, 11, 28))),
    ],
)
def test_what_is_typed(since: str, until: str | None, zone: str, expected: tuple[int, int]) -> None:
    found = period(since, until, zone, NOW)
    assert (found.since_unix_s, found.until_unix_s) == expected
    assert found.time_zone == zone


@pytest.mark.parametrize(
    ("since", "until", "zone", "message"),
    [
        ("soon", None, "UTC", "since: must be an age"),
        ("30d", "x" * 1000, "UTC", "until: must be an age"),
        ("0001-01-01", None, "UTC", "at most 3660 days"),
        ("2026-13-01", None, "UTC", "since"),
        ("2026-11-02", "2026-11-01", "UTC", "ends before it begins"),
        ("2026-12-02", None, "UTC", "ends before it begins"),
        ("2026-11-01T10:00:00", None, "UTC", "with its offset"),
        ("30d", None, "Europe/Berlino", "no time zone 'Europe/Berlino'"),
        ("30d", None, "../etc/passwd", "no time zone"),
        ("30d", None, "", "no time zone"),
    ],
)
def test_what_is_refused(since: str, until: str | None, zone: str, message: str) -> None:
    with pytest.raises(UnfitPeriod, match=message):
        period(since, until, zone, NOW)


@given(
    st.integers(at(1990, 1, 1) // HOUR_S, at(2040, 1, 1) // HOUR_S),
    st.integers(1, 24 * 90),
    st.sampled_from(ZONES),
)
def test_every_hour_belongs_to_one_day_of_the_period(first_hour: int, hours: int, zone: str) -> None:
    whole = Period(first_hour * HOUR_S, (first_hour + hours) * HOUR_S, zone)
    days = whole.days()
    assert days == sorted(set(days))
    for hour in range(first_hour, first_hour + hours):
        day = whole.day(hour * HOUR_S)
        assert day in days
        assert starts(day, whole.zone) <= hour * HOUR_S < starts(day + timedelta(days=1), whole.zone)


@given(
    st.integers(at(1990, 1, 1) // HOUR_S, at(2040, 1, 1) // HOUR_S),
    st.integers(1, 24 * 400),
    st.sampled_from(ZONES),
)
def test_months_are_the_period_in_pieces(first_hour: int, hours: int, zone: str) -> None:
    whole = Period(first_hour * HOUR_S, (first_hour + hours) * HOUR_S, zone)
    months = list(whole.months())
    bounds = [(part.since_unix_s, part.until_unix_s) for part, _ in months]
    assert bounds[0][0] == whole.since_unix_s
    assert bounds[-1][1] == whole.until_unix_s
    assert all(ends == begins for (_, ends), (begins, _) in pairwise(bounds))
    assert all(0 < part.length_s <= length_s for part, length_s in months)
    for part, _ in months:
        assert {(day.year, day.month) for day in part.days()} == {(part.days()[0].year, part.days()[0].month)}


def test_a_day_of_the_clock_change_has_23_hours() -> None:
    zone = zone_of("Europe/Berlin")
    assert starts(date(2026, 3, 30), zone) - starts(date(2026, 3, 29), zone) == 23 * HOUR_S
    assert starts(date(2026, 10, 26), zone) - starts(date(2026, 10, 25), zone) == 25 * HOUR_S


def test_the_period_before_is_as_long() -> None:
    whole = period("30d", None, "UTC", NOW)
    assert whole.before().until_unix_s == whole.since_unix_s
    assert whole.before().length_s == whole.length_s


def test_moments_as_text() -> None:
    assert shown(at(2026, 11, 29)) == "2026-11-29"
    assert shown(at(2026, 11, 29), "Europe/Berlin") == "2026-11-29 01:00"
