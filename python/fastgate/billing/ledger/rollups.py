"""How events reach the sums: many are added up twice, and every rollup adds those few rows to its own.

Each month has a mark up to which its events are in the rollups. It moves in the transaction that adds them,
so an event counts once, however often the loader dies. A hundred thousand at once cost half of five thousand.
"""
# ruff: noqa: S608 -- tables and columns are the schema's own words, values are bound

import sqlite3
from collections.abc import Iterator

from fastgate.billing.ledger.schema import (
    BUCKET_OF_SESSION,
    MEASURE_COLUMNS,
    ROLLUPS,
    START_OF,
    SUMS_OF_EVENTS,
    SUMS_OF_ROLLUPS,
    Grain,
    key_columns,
    month_bounds,
    rollup_table,
)

# The rollups that are made from events, and those that are made from their rows.
SOURCES: dict[str, tuple[Grain, tuple[str, ...]]] = {
    "traffic": ("hour", ("traffic", "costs")),
    "sessions": ("day", ("sessions", "users")),
}
_MEASURES = ", ".join(MEASURE_COLUMNS)
_ADDED = ", ".join(f"{name} = {name} + excluded.{name}" for name in MEASURE_COLUMNS)


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables that hold a batch's sums."""
    for source in SOURCES:
        keys = ", ".join(f"{name} INTEGER" for name in key_columns(source, ROLLUPS[source][0]))
        measures = ", ".join(f"{name} INTEGER" for name in MEASURE_COLUMNS)
        connection.execute(f"CREATE TEMP TABLE IF NOT EXISTS added_{source} ({keys}, {measures})")


def add(connection: sqlite3.Connection, events: str) -> None:
    """Add the events of a month table that are behind its mark to every rollup, and move the mark."""
    (behind,) = connection.execute("SELECT sequence FROM rolled_up WHERE events = ?", (events,)).fetchone()
    (last,) = connection.execute(f"SELECT ifnull(max(sequence), 0) FROM {events}").fetchone()
    if last <= behind:
        return
    for source in SOURCES:
        connection.execute(f"DELETE FROM temp.added_{source}")
        connection.execute(f"INSERT INTO temp.added_{source} {sums_of_events(source, events)}", (behind,))
    for statement in _statements(events):
        connection.execute(statement)
    connection.execute("UPDATE rolled_up SET sequence = ? WHERE events = ?", (last, events))


def sums_of_events(source: str, events: str) -> str:
    """The rows that a source's finest table holds for the events of a month above a sequence."""
    grain, _ = SOURCES[source]
    dimensions = ROLLUPS[source][0]
    keys = [*dimensions]
    selected = [f"{START_OF[grain]} AS start_unix_s", *dimensions]
    if source == "sessions":
        selected.insert(0, f"{BUCKET_OF_SESSION} AS bucket")
    return (
        f"SELECT {', '.join(selected)}, {SUMS_OF_EVENTS} FROM {events} WHERE sequence > ? "
        f"GROUP BY start_unix_s, {', '.join(keys)}"
    )


def sums_of_rows(source: str, rollup: str, grain: Grain, rows: str, month_start_unix_s: int) -> str:
    """The rows that a rollup's table holds for those of a source's finest table, all of one month."""
    dimensions = ROLLUPS[rollup][0]
    start = {
        "hour": "start_unix_s",
        "day": "start_unix_s / 86400 * 86400",
        "month": str(month_start_unix_s),
    }[grain]
    selected = [f"{start} AS begins", *dimensions]
    if rollup == "sessions":
        selected.insert(0, "bucket")
    return (
        f"SELECT {', '.join(selected)}, {SUMS_OF_ROLLUPS} FROM {rows} WHERE true "
        f"GROUP BY begins, {', '.join(dimensions)}"
    )


def _statements(events: str) -> Iterator[str]:
    first, _ = month_bounds(events)
    for source, (finest, rollups) in SOURCES.items():
        for rollup in rollups:
            dimensions, grains = ROLLUPS[rollup]
            keys = ", ".join(key_columns(rollup, dimensions))
            for grain in grains:
                rows = f"SELECT {keys}, {_MEASURES} FROM temp.added_{source} WHERE true"
                if (rollup, grain) != (source, finest):
                    rows = sums_of_rows(source, rollup, grain, f"temp.added_{source}", first)
                yield (
                    f"INSERT INTO {rollup_table(rollup, grain)} ({keys}, {_MEASURES}) {rows} "
                    f"ON CONFLICT ({keys}) DO UPDATE SET {_ADDED}"
                )
