"""What a budget will have cost at its period's end, and when it runs out.

Two ways: *linear* takes it that the rest costs as much per second as the period did so far. *By weekday*
takes it that every day of the rest costs what its weekday cost on average in the 28 days before; there have
to be 14.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import msgspec

from fastgate.billing.money import divided
from fastgate.billing.reports.anomalies import HISTORY_DAYS, LEAST_DAYS
from fastgate.billing.reports.periods import HOUR_S, Period, starts

# Before that a period has told nothing.
LEAST_ELAPSED_S = HOUR_S


class Stretch(msgspec.Struct, frozen=True):
    """Time to come, and what it is expected to cost."""

    since_unix_s: int
    until_unix_s: int
    pusd: int


def linear(spent_pusd: int, known_since_unix_s: int, whole: Period, now_unix_s: int) -> list[Stretch] | None:
    """The rest of a period, as expensive as what is known of it; None in its first hour.

    Args:
        spent_pusd: What it cost so far.
        known_since_unix_s: Since when that is known; before the period's start counts as its start.
        whole: The period.
        now_unix_s: The time, within the period.
    """
    elapsed_s = now_unix_s - max(known_since_unix_s, whole.since_unix_s)
    if elapsed_s < LEAST_ELAPSED_S:
        return None
    rest_s = whole.until_unix_s - now_unix_s
    return [Stretch(now_unix_s, whole.until_unix_s, divided(spent_pusd * rest_s, elapsed_s))]


def by_weekday(
    costs: Mapping[date, int], first: date, whole: Period, now_unix_s: int
) -> list[Stretch] | None:
    """The rest of a period, day by day; None with too little history.

    Args:
        costs: Picodollars of complete days; a day left out cost nothing.
        first: The first day that is known.
        whole: The period.
        now_unix_s: The time, within the period.
    """
    zone = whole.zone
    today = whole.day(now_unix_s)
    known = min(HISTORY_DAYS, (today - first).days)
    if known < LEAST_DAYS:
        return None
    before = [today - timedelta(days=n) for n in range(1, known + 1)]
    usual = {}
    for weekday in range(7):
        of_weekday = [costs.get(each, 0) for each in before if each.weekday() == weekday]
        usual[weekday] = divided(sum(of_weekday), len(of_weekday))
    return [_rest_of(day, usual[day.weekday()], whole, now_unix_s, zone) for day in _from(today, whole)]


def _from(today: date, whole: Period) -> list[date]:
    last = whole.day(whole.until_unix_s - 1)
    return [today + timedelta(days=n) for n in range((last - today).days + 1)]


def _rest_of(day: date, usual_pusd: int, whole: Period, now_unix_s: int, zone: ZoneInfo) -> Stretch:
    starts_s, ends_s = starts(day, zone), starts(day + timedelta(days=1), zone)
    since_s, until_s = max(starts_s, now_unix_s), min(ends_s, whole.until_unix_s)
    return Stretch(since_s, until_s, divided(usual_pusd * (until_s - since_s), ends_s - starts_s))


def total(spent_pusd: int, rest: Sequence[Stretch]) -> int:
    """What the whole period will have cost."""
    return spent_pusd + sum(stretch.pusd for stretch in rest)


def reached_unix_s(spent_pusd: int, amount_pusd: int, rest: Sequence[Stretch]) -> int | None:
    """When an amount will have been spent; None if not within the rest, or if it has been already."""
    if spent_pusd >= amount_pusd:
        return None
    for stretch in rest:
        missing = amount_pusd - spent_pusd
        if stretch.pusd >= missing:
            length_s = stretch.until_unix_s - stretch.since_unix_s
            return stretch.since_unix_s + length_s * missing // stretch.pusd
        spent_pusd += stretch.pusd
    return None
