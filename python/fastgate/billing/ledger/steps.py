"""Hours, days and months of a time zone: where each begins and ends, also where the clock is set."""

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo

from fastgate.billing.ledger.schema import Grain


def steps(step: Grain, since: int, until: int, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """First and last border of each hour, day or month of a zone that has seconds in `[since, until)`."""
    start = _local_start(step, since, zone)
    while start < until:
        end = _local_start(step, _well_inside_next(step, start, zone), zone)
        yield start, end
        start = end


def _local_start(step: Grain, unix_s: int, zone: tzinfo) -> int:
    local = datetime.fromtimestamp(unix_s, zone)
    if step == "hour":
        # In a zone of half hours, and where a clock is set back, the hour goes on: seconds decide.
        return unix_s - (local.minute * 60 + local.second)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if step == "month":
        midnight = midnight.replace(day=1)
    return int(midnight.timestamp())


def _well_inside_next(step: Grain, start: int, zone: tzinfo) -> int:
    if step == "hour":
        return start + 3600
    # Days have 23 to 25 hours, rarely more or less; months 28 to 31 of them.
    days = 1 if step == "day" else 31
    local = datetime.fromtimestamp(start, zone).replace(tzinfo=None) + timedelta(
        days=days, hours=12 if days == 1 else 72
    )
    return int(local.replace(tzinfo=zone).timestamp())
