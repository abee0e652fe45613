"""Medians, percentiles and ratios; no mean anywhere, since one slow round would bend it."""

import statistics
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value with at least `share` (0 to 1) of all values at or below it."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("percentile of nothing")
    return ordered[max(0, min(len(ordered) - 1, -int(-share * len(ordered) // 1) - 1))]


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    return statistics.median(values)


def round_ratios(values: Mapping[int, float], reference: Mapping[int, float]) -> list[float]:
    """`values` over `reference`, round by round; rounds that only one of them has are left out."""
    return [value / reference[at] for at, value in sorted(values.items()) if reference.get(at, 0) > 0]


def median_ratio(values: Mapping[int, float], reference: Mapping[int, float]) -> float | None:
    """Median over rounds of the ratio to the reference of the same round; None when no round has both."""
    ratios = round_ratios(values, reference)
    return median(ratios) if ratios else None


def least_added(values: Mapping[int, float], direct: Mapping[int, float]) -> float | None:
    """The smallest, over rounds, of value minus direct value of the same round."""
    added = [value - direct[at] for at, value in values.items() if at in direct]
    return min(added) if added else None
