"""Days on which a feature cost much more or less than it is used to.

A day is compared with the same weekdays of the 28 days before: the centre is their median, the spread the
median absolute deviation of all 28 days from the medians of their weekdays (Leys et al. 2013, "Detecting
outliers: do not use standard deviation"). A single earlier outlier moves neither; weekends are no surprise.
Where most days are the same, as those of a feature that is seldom used, that deviation is 0: then the spread
is the root of the mean square.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from math import isqrt

import msgspec

from fastgate.billing.money import PUSD, divided

HISTORY_DAYS = 28
LEAST_DAYS = 14
# Deviations that far from the centre, in spreads, are told.
LEAST_SCORE_PERMILLE = 5000
# The spread is at least this: a steady history makes no anomaly of a few percent, or of a few cents.
LEAST_SPREAD_SHARE = 20
LEAST_SPREAD_PUSD = PUSD // 100
# Of a normal distribution the standard deviation is 1.4826 times the median absolute deviation.
_SIGMA_PER_MAD = (14_826, 10_000)


class Anomaly(msgspec.Struct, frozen=True):
    """A day that is unlike the days before."""

    feature: str | None
    day: str
    cost_pusd: int
    usual_pusd: int
    """Median of the same weekdays."""
    spread_pusd: int
    """How far days usually are from it, as a standard deviation."""
    score_permille: int
    """How many spreads the day is off, in thousandths; negative for a day that cost less."""


class History(msgspec.Struct, frozen=True):
    """What one feature cost, day by day."""

    feature: str | None
    first: date
    """The first day that is known."""
    costs: Mapping[date, int]
    """Picodollars; a day left out cost nothing."""


def unusual(history: History, days: Iterable[date]) -> list[Anomaly] | None:
    """The unusual ones of some complete days; None if there is too little history for any of them."""
    judged = [judge(history, day) for day in days if (day - history.first).days >= LEAST_DAYS]
    if not judged:
        return None
    return [found for found in judged if abs(found.score_permille) >= LEAST_SCORE_PERMILLE]


def judge(history: History, day: date) -> Anomaly:
    """How a day compares with the days before, of which there are at least `LEAST_DAYS`."""
    known = min(HISTORY_DAYS, (day - history.first).days)
    before = [day - timedelta(days=n) for n in range(1, known + 1)]
    usual = {
        weekday: median([history.costs.get(each, 0) for each in before if each.weekday() == weekday])
        for weekday in {each.weekday() for each in before}
    }
    deviations = [abs(history.costs.get(each, 0) - usual[each.weekday()]) for each in before]
    centre = usual[day.weekday()]
    spread = max(
        _sigma(deviations),
        abs(centre) // LEAST_SPREAD_SHARE,
        LEAST_SPREAD_PUSD,
    )
    cost = history.costs.get(day, 0)
    score = divided((cost - centre) * 1000, spread)
    return Anomaly(history.feature, day.isoformat(), cost, centre, spread, score)


def _sigma(deviations: Sequence[int]) -> int:
    if middle := median(deviations):
        return divided(middle * _SIGMA_PER_MAD[0], _SIGMA_PER_MAD[1])
    return isqrt(sum(each * each for each in deviations) // len(deviations))


def median(values: Sequence[int]) -> int:
    """The middle value, or the mean of the two in the middle; of at least one value."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else divided(ordered[middle - 1] + ordered[middle], 2)
