"""Percentiles and ratios."""

import pytest
from bench.stats import least_added, median_ratio, percentile, round_ratios


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.01, 1), (0.0, 1)]
)
def test_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_ratios_are_taken_within_a_round() -> None:
    values, reference = {0: 30.0, 1: 10.0, 2: 50.0, 3: 1.0}, {0: 10.0, 1: 10.0, 2: 20.0}
    assert round_ratios(values, reference) == [3.0, 1.0, 2.5]
    assert median_ratio(values, reference) == 2.5


def test_a_ratio_without_a_common_round_is_none() -> None:
    assert median_ratio({0: 1.0}, {1: 1.0}) is None
    assert median_ratio({0: 1.0}, {0: 0.0}) is None


def test_least_added_is_taken_within_a_round() -> None:
    assert least_added({0: 120.0, 1: 100.0}, {0: 50.0, 1: 20.0}) == 70.0
    assert least_added({0: 1.0}, {}) is None
