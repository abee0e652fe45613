"""Unusual days: found in a rhythm of weeks, not moved by one outlier, not invented from little history."""

from datetime import date, timedelta
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.billing.money import PUSD
from fastgate.billing.reports.anomalies import (
    LEAST_DAYS,
    LEAST_SCORE_PERMILLE,
    LEAST_SPREAD_PUSD,
    History,
    judge,
    median,
    unusual,
)

FIRST = date(2026, 9, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(60)]


def weekly(day: date) -> int:
    """Dear working days, cheap weekends, and some noise."""
    return (10 if day.weekday() >= 5 else 100) * PUSD + day.day % 3 * PUSD


def history(**changed: int) -> History:
    costs = {day: weekly(day) for day in DAYS} | {
        date.fromisoformat(k[1:].replace("_", "-")): v for k, v in changed.items()
    }
    return History("chat", FIRST, costs)


def test_the_rhythm_of_weeks_is_no_surprise() -> None:
    assert unusual(history(), DAYS) == []


def test_a_working_days_cost_on_a_sunday_is_one() -> None:
    found = unusual(history(_2026_10_25=100 * PUSD), DAYS)
    assert found is not None
    assert [(each.day, each.cost_pusd) for each in found] == [("2026-10-25", 100 * PUSD)]
    assert found[0].score_permille > LEAST_SCORE_PERMILLE
    assert 10 * PUSD <= found[0].usual_pusd <= 12 * PUSD


def test_a_day_without_cost_is_one_too() -> None:
    found = unusual(history(_2026_10_20=0), DAYS)
    assert found is not None
    assert [each.day for each in found] == ["2026-10-20"]
    assert found[0].score_permille < 0


def test_an_earlier_outlier_hides_no_later_one() -> None:
    found = unusual(history(_2026_10_06=900 * PUSD, _2026_10_21=900 * PUSD), DAYS)
    assert found is not None
    assert [each.day for each in found] == ["2026-10-06", "2026-10-21"]


def test_too_little_history_is_said() -> None:
    assert unusual(history(), DAYS[:LEAST_DAYS]) is None
    assert unusual(history(), DAYS[: LEAST_DAYS + 1]) == []
    assert unusual(history(), []) is None


def test_a_feature_that_is_seldom_used_is_not_unusual_whenever_it_is() -> None:
    seldom = {DAYS[n]: (5 + n % 4) * PUSD for n in (1, 9, 18, 24, 33, 41, 45, 52)}
    assert unusual(History("export", FIRST, seldom), DAYS) == []
    seldom[DAYS[55]] = 90 * PUSD
    found = unusual(History("export", FIRST, seldom), DAYS)
    assert found is not None
    assert [each.day for each in found] == [DAYS[55].isoformat()]


def test_cents_are_no_matter() -> None:
    steady = History("cheap", FIRST, dict.fromkeys(DAYS, 1000) | {DAYS[40]: 4 * LEAST_SPREAD_PUSD})
    assert unusual(steady, DAYS) == []


@given(st.lists(st.integers(0, 10**18), min_size=15, max_size=60))
def test_against_the_definition(costs: list[int]) -> None:
    day = FIRST + timedelta(days=len(costs) - 1)
    known = costs[:-1][-28:]
    offsets = range(len(known))
    first_known = day - timedelta(days=len(known))
    weekday = [(first_known + timedelta(days=n)).weekday() for n in offsets]
    usual = {each: median([known[n] for n in offsets if weekday[n] == each]) for each in set(weekday)}
    deviations = [abs(known[n] - usual[weekday[n]]) for n in offsets]
    mad, root = median(deviations), sqrt(sum(each**2 for each in deviations) / len(deviations))
    found = judge(History(None, FIRST, dict(zip(DAYS, costs, strict=False))), day)
    assert found.usual_pusd == usual[day.weekday()]
    spread = max(mad * 1.4826 if mad else root, found.usual_pusd / 20, LEAST_SPREAD_PUSD)
    assert found.spread_pusd == pytest.approx(spread, rel=1e-9, abs=1)
    assert found.score_permille == pytest.approx(
        (costs[-1] - found.usual_pusd) * 1000 / spread, rel=1e-6, abs=1
    )


def test_median() -> None:
    assert median([3]) == 3
    assert median([4, 1, 3]) == 3
    assert median([1, 4, 2, 10**20]) == 3
