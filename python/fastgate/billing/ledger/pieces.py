"""Which tables answer a question: whole months from monthly sums, what is left from days, hours and events.

A rollup can stand in for events if it has every dimension that is asked for. Borders that cut an hour are
exact too: the events of that hour are added up.
"""

from collections.abc import Iterable, Sequence

import msgspec

from fastgate.billing.ledger.schema import GRAINS, ROLLUPS, Grain, month_start, rollup_table

SECONDS: dict[Grain, int] = {"hour": 3600, "day": 86_400}
# Longer than any month: the next one begins within.
_MONTH_AND_MORE_S = 32 * 86_400


class Piece(msgspec.Struct, frozen=True):
    """A stretch of time, and the rollup that has sums of it; None: the events themselves."""

    rollup: str | None
    grain: Grain | None
    since_unix_s: int
    until_unix_s: int

    @property
    def table(self) -> str | None:
        """The rollup's table."""
        return rollup_table(self.rollup, self.grain) if self.rollup and self.grain else None


def pieces(needed: Iterable[str], since_unix_s: int, until_unix_s: int) -> list[Piece]:
    """Cover `[since, until)` with as few rows as possible.

    Args:
        needed: Dimensions, grains included, that must be told apart.
        since_unix_s: The first second.
        until_unix_s: The first second that does not count.
    """
    wanted = set(needed)
    finest = next((grain for grain in GRAINS if grain in wanted), "month")
    usable: list[tuple[Grain, str]] = []
    for grain in reversed(GRAINS[: GRAINS.index(finest) + 1]):
        rollup = _rollup_with(wanted - set(GRAINS), grain)
        if rollup:
            usable.append((grain, rollup))
    return _cover(usable, since_unix_s, until_unix_s)


def floor(grain: Grain, unix_s: int) -> int:
    """The first second of the hour, day or month of a moment."""
    return month_start(unix_s) if grain == "month" else unix_s - unix_s % SECONDS[grain]


def ceiling(grain: Grain, unix_s: int) -> int:
    """The moment itself if an hour, day or month begins there, else the start of the next one."""
    start = floor(grain, unix_s)
    return start if start == unix_s else following(grain, start)


def following(grain: Grain, start_unix_s: int) -> int:
    """Where the hour, day or month ends that begins here."""
    if grain == "month":
        return month_start(start_unix_s + _MONTH_AND_MORE_S)
    return start_unix_s + SECONDS[grain]


def _rollup_with(dimensions: set[str], grain: Grain) -> str | None:
    return next(
        (name for name, (has, grains) in ROLLUPS.items() if dimensions <= set(has) and grain in grains), None
    )


def _cover(usable: Sequence[tuple[Grain, str]], since: int, until: int) -> list[Piece]:
    if since >= until:
        return []
    if not usable:
        return [Piece(None, None, since, until)]
    (grain, rollup), finer = usable[0], usable[1:]
    start, end = ceiling(grain, since), floor(grain, until)
    if start >= end:
        return _cover(finer, since, until)
    return [
        *_cover(finer, since, start),
        Piece(rollup, grain, start, end),
        *_cover(finer, end, until),
    ]
