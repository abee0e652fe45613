"""A question in SQL: what is told apart, and whose events count."""
# ruff: noqa: S608 -- tables and columns are the schema's own words, values are bound

import sqlite3
from collections.abc import Callable, Mapping, Sequence

import msgspec

from fastgate.billing.ledger.schema import (
    EVERY_BUCKET,
    GRAINS,
    NAMED,
    SPENDING_OF_EVENTS,
    SPENDING_OF_ROLLUPS,
    START_OF,
    SUMS_OF_EVENTS,
    SUMS_OF_ROLLUPS,
    Dimension,
    Grain,
    events_within,
    month_bounds,
)

_START_OF_ROLLUP: dict[Grain, str] = {
    "hour": "start_unix_s / 3600 * 3600",
    "day": "start_unix_s / 86400 * 86400",
    "month": "CAST(strftime('%s', start_unix_s, 'unixepoch', 'start of month') AS INTEGER)",
}
# No name has it.
_NOBODY = -1


class Question(msgspec.Struct, frozen=True):
    """Dimensions to group by, and what must be true of an event."""

    by: tuple[Dimension, ...]
    where: Mapping[Dimension, Sequence[str | None]]
    condition: str
    """` AND …`, for rollups and events alike."""
    values: tuple[int, ...]
    """What stands for its question marks."""
    is_of_spending: bool = False
    """Only what was spent is asked for."""

    @property
    def needed(self) -> set[str]:
        """Dimensions that a table must have."""
        return {*self.by, *self.where}

    def of_events(self, table: str) -> str:
        """Sums of the events of a month table, from one microsecond to before another."""
        sums = SPENDING_OF_EVENTS if self.is_of_spending else SUMS_OF_EVENTS
        return self._sums(self.keys_of_events(table), sums, table, events_within(table))

    def of_rollup(self, table: str) -> str:
        """Sums of a rollup's rows, from one second to before another."""
        time = "start_unix_s >= ? AND start_unix_s < ?"
        if table.startswith("sessions_"):
            time = f"{EVERY_BUCKET} AND {time}"
        return self._sums(self.keys_of_rollup(table), self._sums_of_rollups, table, time)

    def of_parts(self, parts: Sequence[str]) -> str:
        """What `of_events` and `of_rollup` give for parts of a time, together."""
        keys = [f"key_{place}" for place in range(len(self.by))]
        return (
            f"SELECT {', '.join([*keys, self._sums_of_rollups])} "
            f"FROM ({' UNION ALL '.join(f'SELECT * FROM ({part})' for part in parts)}) "
            f"GROUP BY {', '.join(keys) or 'NULL'}"
        )

    def keys_of_events(self, table: str) -> list[str]:
        """What to group a month table by, in the order of `by`."""
        starts = {**START_OF, "month": str(month_bounds(table)[0])}
        return [starts[name] if name in GRAINS else name for name in self.by]

    def keys_of_rollup(self, table: str) -> list[str]:
        """What to group a rollup by."""
        starts = {
            grain: "start_unix_s" if table.endswith(grain) else _START_OF_ROLLUP[grain] for grain in GRAINS
        }
        return [starts[name] if name in GRAINS else name for name in self.by]

    @property
    def _sums_of_rollups(self) -> str:
        return SPENDING_OF_ROLLUPS if self.is_of_spending else SUMS_OF_ROLLUPS

    def _sums(self, keys: list[str], sums: str, table: str, time: str) -> str:
        columns = [f"{key} AS key_{place}" for place, key in enumerate(keys)]
        groups = [f"key_{place}" for place in range(len(keys))]
        return (
            f"SELECT {', '.join([*columns, sums])} FROM {table} WHERE {time}{self.condition} "
            # Without a group there would be a row also where there are no events.
            f"GROUP BY {', '.join(groups) or 'NULL'}"
        )


def ask(
    connection: sqlite3.Connection,
    by: Sequence[Dimension],
    where: Mapping[Dimension, Sequence[str | None]],
) -> Question:
    """Look up the names of a question.

    Raises:
        ValueError: There is no such dimension, or no such condition.
    """
    for name in by:
        if name not in (*NAMED, *GRAINS):
            raise ValueError(f"no dimension {name!r}: there are {', '.join((*NAMED, *GRAINS))}")
    condition, values = "", list[int]()
    for name, wanted in where.items():
        if name not in NAMED:
            raise ValueError(f"no condition on {name!r}: there are {', '.join(NAMED)}")
        found = [_id_of(connection, text) for text in wanted] or [_NOBODY]
        condition += f" AND {name} IN ({', '.join('?' * len(found))})"
        values += found
    return Question(tuple(by), where, condition, tuple(values))


def names(connection: sqlite3.Connection) -> Callable[[int], str | None]:
    """What a name's id stands for, remembering the answers."""
    known = dict[int, str | None]({0: None})

    def text(number: int) -> str | None:
        if number not in known:
            (known[number],) = connection.execute("SELECT text FROM names WHERE id = ?", (number,)).fetchone()
        return known[number]

    return text


def _id_of(connection: sqlite3.Connection, text: str | None) -> int:
    if text is None:
        return 0
    found = connection.execute("SELECT id FROM names WHERE text = ?", (text,)).fetchone()
    return int(found[0]) if found else _NOBODY
