"""What a gateway's `/metrics` says of the time its policy takes."""

import re
from collections.abc import Mapping

from bench.http1 import get

BUCKET = re.compile(r'^fastgate_policy_microseconds_bucket\{le="([^"]+)"\} (\d+)', re.MULTILINE)

Histogram = dict[float, int]


def parse(text: str) -> Histogram:
    """Upper bounds in µs, with how many exchanges took no longer."""
    return {float(bound): int(count) for bound, count in BUCKET.findall(text)}


def policy(port: int) -> Histogram:
    """The histogram now."""
    return parse(get(port, "/metrics").body.decode())


def median_us(before: Mapping[float, int], after: Mapping[float, int]) -> float | None:
    """The median of what came between two readings, as `histogram_quantile` reads it: evenly spread within a
    bucket. None where nothing came, or the median lies beyond the last bound.
    """
    counts = [(bound, after[bound] - before.get(bound, 0)) for bound in sorted(after)]
    if not counts or not counts[-1][1]:
        return None
    wanted = counts[-1][1] / 2
    lower, below = 0.0, 0
    for bound, count in counts:
        if count >= wanted:
            share = (wanted - below) / (count - below)
            return lower + (bound - lower) * share if bound != float("inf") else None
        lower, below = bound, count
    return None
