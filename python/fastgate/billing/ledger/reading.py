"""Questions to the ledger: sums by any dimensions over any time, series of them, and single events.

Every question sees one state of the ledger, also while the loader writes.
"""
# ruff: noqa: S608 -- tables and columns are the schema's own words, values are bound

import contextlib
import re
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self, TypeAlias

import msgspec

from fastgate.billing.ledger import sessions
from fastgate.billing.ledger.connection import connect, existing_file, unusable
from fastgate.billing.ledger.pieces import ceiling, pieces
from fastgate.billing.ledger.question import Question, ask, names
from fastgate.billing.ledger.schema import (
    EVENT_COLUMNS,
    GRAINS,
    NAMED,
    Dimension,
    Grain,
    LedgerError,
    check_version,
    events_within,
    month_bounds,
    month_start,
    rolled_up,
)
from fastgate.billing.ledger.summary import Point, Summary, summary_of

Where: TypeAlias = Mapping[Dimension, Sequence[str | None]]
"""Values that count, by dimension; None for events that name nothing. Times can't be among them."""

_US = 1_000_000
_ATTEMPT = "0|[1-9][0-9]{0,8}"
_SHOWN: dict[str, str] = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d", "month": "%Y-%m"}
# Values of a group, before names take their ids' places.
_Key: TypeAlias = tuple[int, ...]


class Ledger:
    """A ledger that is there.

    Raises:
        LedgerError: It can't be used.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._connection = connect(file, read_only=True)
        try:
            with unusable(file):
                if not check_version(self._connection):
                    raise LedgerError(f"{file} is empty: `fastgate ledger load` fills it from the spool")
        except BaseException:
            self._connection.close()
            raise

    @classmethod
    def open(cls, state_dir: str | Path, *, read_only: bool = True) -> Self:
        """The ledger in a state directory.

        Args:
            state_dir: Where the gateway keeps its data.
            read_only: There is no other way: only the loader writes.

        Raises:
            LedgerError: There is none, or it can't be used.
        """
        if not read_only:
            raise ValueError("only the loader writes to a ledger")
        return cls(existing_file(state_dir))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def span(self) -> tuple[int, int] | None:
        """Unix microseconds at which the first and the last event began; None without any."""
        with self._snapshot():
            return self._span()

    def summary(
        self,
        by: Sequence[Dimension],
        since_unix_s: int,
        until_unix_s: int,
        where: Where | None = None,
    ) -> list[Summary]:
        """Sums of the events that began in `[since, until)`, a group for each combination there is.

        Without dimensions that is one group, or none where there are no events.

        Raises:
            LedgerError: The ledger is damaged.
            ValueError: There is no such dimension.
        """
        with self._snapshot():
            question = ask(self._connection, by, where or {})
            return self._named(question, self._summary(question, since_unix_s, until_unix_s))

    def series(
        self,
        by: Sequence[Dimension],
        step: Grain,
        since_unix_s: int,
        until_unix_s: int,
        where: Where | None = None,
        *,
        zone: tzinfo = UTC,
    ) -> list[Point]:
        """The same for each hour, day or month of a time zone, in order; a step without events has no point.

        A session counts in each step in which it has an event. The first and the last step are what `since`
        and `until` leave of them.
        """
        with self._snapshot():
            question = ask(self._connection, by, where or {})
            if zone is not UTC:
                return list(self._local_series(question, step, since_unix_s, until_unix_s, zone))
            stepped = msgspec.structs.replace(question, by=(step, *question.by))
            steps: dict[int, dict[_Key, Summary]] = {}
            for key, summary in self._summary(stepped, since_unix_s, until_unix_s).items():
                steps.setdefault(key[0], {})[key[1:]] = summary
            return [
                Point(start, summary)
                for start in sorted(steps)
                for summary in self._named(question, steps[start])
            ]

    def events(
        self, since_unix_s: int, until_unix_s: int, where: Where | None = None
    ) -> Generator[dict[str, Any], None, None]:
        """Single events, by month and there in the order they were loaded: `event_id` and the columns of
        `schema.EVENT_COLUMNS`, with names, and `trace_id` and `prompt_hash` in hex digits.

        The ledger's state is that of the first event; let go of the iterator to let go of that state.
        """
        with self._snapshot():
            question = ask(self._connection, (), where or {})
            text = names(self._connection)
            for table in self._months(since_unix_s, until_unix_s):
                rows = self._connection.execute(
                    f"SELECT {', '.join(EVENT_COLUMNS)} FROM {table} "
                    f"WHERE {events_within(table)}{question.condition} ORDER BY sequence",
                    (since_unix_s * _US, until_unix_s * _US, *question.values),
                )
                for row in rows:
                    yield self._event(row, text)

    def event(self, event_id: str) -> dict[str, Any] | None:
        """One event as `events` gives it; None if there is none with this id."""
        exchange, _, attempt = event_id.rpartition("/")
        if not re.fullmatch(_ATTEMPT, attempt):
            return None
        with self._snapshot():
            for table in reversed(rolled_up(self._connection)):
                found = self._connection.execute(
                    f"SELECT {', '.join(EVENT_COLUMNS)} FROM {table} WHERE exchange_id = ? AND attempt = ?",
                    (exchange, int(attempt)),
                ).fetchone()
                if found is not None:
                    return self._event(found, names(self._connection))
        return None

    def _event(self, row: tuple[Any, ...], text: Callable[[int], str | None]) -> dict[str, Any]:
        event = dict(zip(EVENT_COLUMNS, row, strict=True))
        for column in (*NAMED, "reason"):
            event[column] = text(event[column])
        event["trace_id"] = event["trace_id"].hex() if event["trace_id"] is not None else None
        if event["prompt_hash"] is not None:
            event["prompt_hash"] = f"{event['prompt_hash'] & 0xFFFF_FFFF_FFFF_FFFF:016x}"
        return {"event_id": f"{event['exchange_id']}/{event['attempt']}", **event}

    def _local_series(
        self, question: Question, step: Grain, since: int, until: int, zone: tzinfo
    ) -> Iterator[Point]:
        span = self._span()
        if span is None:
            return
        since, until = max(since, span[0] // 1_000_000), min(until, span[1] // 1_000_000 + 1)
        for start, end in _steps(step, since, until, zone):
            found = self._summary(question, max(start, since), min(end, until))
            for summary in self._named(question, found):
                yield Point(start, summary)

    def _summary(self, question: Question, since: int, until: int) -> dict[_Key, Summary]:
        span = self._span()
        if span is None or since >= until:
            return {}
        # Outside of the first and last event there is nothing, and whole months are cheaper than parts.
        first, last = span[0] // 1_000_000, span[1] // 1_000_000 + 1
        since = month_start(first) if since <= first else since
        until = ceiling("month", last) if until >= last else until
        parts, values = list[str](), list[int]()
        for piece in pieces(question.needed, since, until):
            if piece.table:
                parts.append(question.of_rollup(piece.table))
                values += (piece.since_unix_s, piece.until_unix_s, *question.values)
                continue
            for month in self._months(piece.since_unix_s, piece.until_unix_s):
                parts.append(question.of_events(month))
                values += (piece.since_unix_s * _US, piece.until_unix_s * _US, *question.values)
        if not parts:
            return {}
        dimensions = len(question.by)
        groups = {
            row[:dimensions]: summary_of(row[dimensions:])
            for row in self._connection.execute(question.of_parts(parts), values)
        }
        counted = sessions.count(self._connection, question, since, until, self._months)
        if counted is not None:
            for key, summary in groups.items():
                summary.sessions = counted.by_group.get(key, 0)
                summary.is_sessions_estimated = counted.is_estimated
        return groups

    def _named(self, question: Question, groups: dict[_Key, Summary]) -> list[Summary]:
        text = names(self._connection)
        for key, summary in groups.items():
            summary.group = tuple(
                datetime.fromtimestamp(value, UTC).strftime(_SHOWN[name]) if name in GRAINS else text(value)
                for name, value in zip(question.by, key, strict=True)
            )
        return list(groups.values())

    def _months(self, since_unix_s: int, until_unix_s: int) -> list[str]:
        """Month tables that may have events of this time."""
        return [
            table
            for table in rolled_up(self._connection)
            if month_bounds(table)[0] < until_unix_s and since_unix_s < month_bounds(table)[1]
        ]

    def _span(self) -> tuple[int, int] | None:
        marks = {table: mark for table, mark in rolled_up(self._connection).items() if mark}
        if not marks:
            return None
        first, last = next(iter(marks)), next(reversed(marks))
        return self._moment(first, marks[first], "ASC"), self._moment(last, marks[last], "DESC")

    def _moment(self, table: str, mark: int, order: str) -> int:
        found = self._connection.execute(
            f"SELECT started_unix_us FROM {table} WHERE sequence <= ? "
            f"ORDER BY started_unix_us {order} LIMIT 1",
            (mark,),
        )
        return int(found.fetchone()[0])

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        with unusable(self.file):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                # Whoever let go of an iterator may have closed the ledger first.
                with contextlib.suppress(sqlite3.ProgrammingError):
                    self._connection.execute("ROLLBACK")


def _steps(step: Grain, since: int, until: int, zone: tzinfo) -> Iterator[tuple[int, int]]:
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
