"""Percentiles against sorted numbers."""

from hypothesis import given
from hypothesis import strategies as st

from fastgate.drills.distribution import Distribution


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=200), st.integers(1, 100))
def test_percentiles_are_those_of_the_sorted_numbers(numbers: list[int], percent: int) -> None:
    distribution = Distribution()
    for number in numbers:
        distribution.add(number)
    exact = sorted(numbers)[max(1, -(-len(numbers) * percent // 100)) - 1]
    found = distribution.percentile(percent)
    assert found is not None
    assert abs(found - exact) <= exact * 0.004


def test_nothing_has_no_percentile() -> None:
    assert Distribution().percentile(50) is None


def test_a_million_different_numbers_take_few_counters() -> None:
    distribution = Distribution()
    for number in range(0, 60_000_000, 601):
        distribution.add(number)
    assert len(distribution._counts) < 4000
