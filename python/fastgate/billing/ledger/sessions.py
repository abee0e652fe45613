"""Distinct sessions: exact where there are few, a part of them counted and scaled up where there are many.

Distinct counts do not add up, so no rollup can hold them. The daily rollup by session is spread over ranges
of its key by a hash of the session: any of these ranges is a fair sample, whatever the question's groups are.
"""
# ruff: noqa: S608 -- tables and columns are the schema's own words, values are bound

import sqlite3
from collections.abc import Callable

import msgspec

from fastgate.billing.ledger.pieces import ceiling, floor
from fastgate.billing.ledger.question import Question
from fastgate.billing.ledger.schema import BUCKETS, GRAINS, ROLLUPS, events_within

# Rows of the daily rollup that are read for one answer: some 0.2 s.
ROWS_READ = 250_000
_TABLE = "sessions_day"
_DAY_S = 86_400
# The same name can be two tenants' session.
_SESSION = "tenant << 32 | session"


class Counted(msgspec.Struct, frozen=True):
    """Distinct sessions by group."""

    by_group: dict[tuple[int, ...], int]
    is_estimated: bool


def count(
    connection: sqlite3.Connection,
    question: Question,
    since_unix_s: int,
    until_unix_s: int,
    months: Callable[[int, int], list[str]],
) -> Counted | None:
    """Count the sessions that have an event in `[since, until)`; None if the rollup lacks a dimension.

    An estimate is of whole days, and within a few percent for groups of more than a thousand sessions.
    """
    if not question.needed - set(GRAINS) <= set(ROLLUPS["sessions"][0]):
        return None
    start, end = ceiling("day", since_unix_s), floor("day", until_unix_s)
    if "hour" in question.by or start >= end:
        return _counted(connection, question, [], [(since_unix_s, until_unix_s)], months)
    buckets = _buckets(connection, start, end)
    if buckets < BUCKETS:
        whole = (floor("day", since_unix_s), ceiling("day", until_unix_s))
        found = _counted(connection, question, [(*whole, buckets)], [], months)
        scaled = {group: number * BUCKETS // buckets for group, number in found.by_group.items()}
        return Counted(scaled, is_estimated=True)
    edges = [(since_unix_s, start), (end, until_unix_s)]
    return _counted(connection, question, [(start, end, BUCKETS)], edges, months)


def _buckets(connection: sqlite3.Connection, start: int, end: int) -> int:
    """How many ranges of the key can be read."""
    (rows,) = connection.execute(
        f"SELECT count(*) FROM {_TABLE} WHERE bucket = 1 AND start_unix_s >= ? AND start_unix_s < ?",
        (start, end),
    ).fetchone()
    return max(1, min(BUCKETS, ROWS_READ // rows)) if rows else BUCKETS


def _counted(
    connection: sqlite3.Connection,
    question: Question,
    days: list[tuple[int, int, int]],
    moments: list[tuple[int, int]],
    months: Callable[[int, int], list[str]],
) -> Counted:
    parts, values = list[str](), list[int]()
    for start, end, buckets in days:
        within = (
            f"bucket IN ({', '.join(map(str, range(buckets)))}) AND start_unix_s >= ? AND start_unix_s < ?"
        )
        parts.append(_distinct(question, question.keys_of_rollup(_TABLE), _TABLE, within))
        values += [start, end, *question.values]
    for since, until in moments:
        for table in months(since, until):
            parts.append(_distinct(question, question.keys_of_events(table), table, events_within(table)))
            values += [since * 1_000_000, until * 1_000_000, *question.values]
    if not parts:
        return Counted({}, is_estimated=False)
    groups = ", ".join(f"key_{place}" for place in range(len(question.by)))
    rows = connection.execute(
        f"SELECT {groups}{',' if groups else ''} count(DISTINCT {_SESSION}) "
        f"FROM ({' UNION ALL '.join(parts)}) GROUP BY {groups or 'NULL'}",
        values,
    )
    return Counted({row[:-1]: row[-1] for row in rows}, is_estimated=False)


def _distinct(question: Question, keys: list[str], table: str, within: str) -> str:
    columns = ", ".join(["tenant", "session", *(f"{key} AS key_{place}" for place, key in enumerate(keys))])
    return f"SELECT {columns} FROM {table} WHERE {within} AND session <> 0{question.condition}"
