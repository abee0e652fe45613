"""Forecasts: both ways, the moment a budget is used up, and when nothing can be said."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from fastgate.billing.money import PUSD
from fastgate.billing.reports.forecast import Stretch, by_weekday, linear, reached_unix_s, total
from fastgate.billing.reports.periods import DAY_S, HOUR_S, Period


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


NOVEMBER = Period(at(2026, 11, 1), at(2026, 12, 1))


def test_linear_goes_on_as_it_went() -> None:
    rest = linear(10 * PUSD, 0, NOVEMBER, at(2026, 11, 11))
    assert rest is not None
    assert total(10 * PUSD, rest) == 30 * PUSD
    assert reached_unix_s(10 * PUSD, 25 * PUSD, rest) == at(2026, 11, 26)
    assert reached_unix_s(10 * PUSD, 30 * PUSD, rest) == at(2026, 12, 1)
    assert reached_unix_s(10 * PUSD, 31 * PUSD, rest) is None
    assert reached_unix_s(10 * PUSD, 10 * PUSD, rest) is None


def test_a_period_that_has_just_begun_says_nothing() -> None:
    assert linear(PUSD, 0, NOVEMBER, NOVEMBER.since_unix_s + HOUR_S - 1) is None
    assert linear(0, 0, NOVEMBER, NOVEMBER.since_unix_s + HOUR_S) == [
        Stretch(NOVEMBER.since_unix_s + HOUR_S, NOVEMBER.until_unix_s, 0)
    ]


def test_what_was_before_the_ledger_is_not_taken_for_nothing() -> None:
    rest = linear(10 * PUSD, at(2026, 11, 6), NOVEMBER, at(2026, 11, 11))
    assert rest is not None
    assert total(10 * PUSD, rest) == 50 * PUSD


def test_weekends_are_forecast_as_weekends() -> None:
    costs = {date(2026, 10, 1) + timedelta(days=n): 0 for n in range(60)}
    costs = {day: 0 if day.weekday() >= 5 else 10 * PUSD for day in costs}
    # Friday noon: half a working day, the weekend, and Monday the 30th.
    now = at(2026, 11, 27, 12)
    rest = by_weekday(costs, date(2026, 10, 1), NOVEMBER, now)
    assert rest is not None
    assert [stretch.pusd for stretch in rest] == [5 * PUSD, 0, 0, 10 * PUSD]
    assert total(100 * PUSD, rest) == 115 * PUSD
    assert reached_unix_s(100 * PUSD, 110 * PUSD, rest) == at(2026, 11, 30, 12)


def test_too_little_history_gives_no_forecast_by_weekday() -> None:
    now = at(2026, 11, 27, 12)
    assert by_weekday({}, date(2026, 11, 14), NOVEMBER, now) is None
    assert by_weekday({}, date(2026, 11, 13), NOVEMBER, now) is not None


def test_the_day_of_a_clock_change_is_a_day() -> None:
    october = Period(at(2026, 9, 30, 22), at(2026, 10, 31, 23), "Europe/Berlin")
    costs = {date(2026, 9, 1) + timedelta(days=n): PUSD for n in range(60)}
    rest = by_weekday(costs, date(2026, 9, 1), october, at(2026, 10, 24, 22))
    assert rest is not None
    assert [stretch.pusd for stretch in rest] == [PUSD] * 7
    assert rest[0].until_unix_s - rest[0].since_unix_s == 25 * HOUR_S


@given(
    st.integers(0, 10**17),
    st.integers(0, 2 * 10**17),
    st.lists(st.tuples(st.integers(1, DAY_S), st.integers(0, 10**16)), max_size=40),
)
def test_the_moment_is_the_first_at_which_the_sum_is_there(
    spent: int, amount: int, parts: list[tuple[int, int]]
) -> None:
    rest, since = [], 1_000_000
    for length, pusd in parts:
        rest.append(Stretch(since, since + length, pusd))
        since += length
    found = reached_unix_s(spent, amount, rest)
    if spent >= amount or total(spent, rest) < amount:
        assert found is None
        return
    assert found is not None

    def spent_by(unix_s: int) -> Fraction:
        past = [
            Fraction(
                each.pusd * max(0, min(unix_s, each.until_unix_s) - each.since_unix_s),
                each.until_unix_s - each.since_unix_s,
            )
            for each in rest
        ]
        return spent + sum(past, Fraction(0))

    assert spent_by(found + 1) >= amount
    assert spent_by(found - 1) < amount
