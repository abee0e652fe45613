"""Questions to the ledger: sums by any dimensions over any time, series of them, and single events.

Every question sees one state of the ledger, also while the loader writes.
"""
# ruff: noqa: S608 -- tables and columns are the schema's own words, values are bound

import contextlib
import re
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
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
from fastgate.billing.ledger.steps import steps
from fastgate.billing.ledger.summary import Point, Spending, Summary, Sums, spending_of, summary_of

Where: TypeAlias = Mapping[Dimension, Sequence[str | None]]
"""Values that count, by dimension; None for events that name nothing. Times can't be among them."""

_US = 1_000_000
_ATTEMPT = "0|[1-9][0-9]{0,8}"
_SHOWN: dict[str, str] = {"hour": "%Y-%m-%dT%H:00Z", "day": "%Y-%m-%d", "month": "%Y-%m"}
# Values of a group, before names take their ids' places.
_Key: TypeAlias = tuple[int, ...]
_Answer: TypeAlias = Callable[[Question, int, int], dict[_Key, Sums]]


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
    ) -> list[Point[Summary]]:
        """The same for each hour, day or month of a time zone, in order; a step without events has no point.

        A session counts in each step in which it has an event. The first and the last step are what `since`
        and `until` leave of them.
        """
        with self._snapshot():
            question = ask(self._connection, by, where or {})
            return list(self._series(self._summary, question, step, (since_unix_s, until_unix_s), zone))

    def spending(
        self,
        by: Sequence[Dimension],
        since_unix_s: int,
        until_unix_s: int,
        where: Where | None = None,
    ) -> list[Spending]:
        """As `summary`, of cost alone."""
        with self._snapshot():
            question = ask(self._connection, by, where or {})
            return self._named(question, self._spending(question, since_unix_s, until_unix_s))

    def spending_series(
        self,
        by: Sequence[Dimension],
        step: Grain,
        since_unix_s: int,
        until_unix_s: int,
        where: Where | None = None,
        *,
        zone: tzinfo = UTC,
    ) -> list[Point[Spending]]:
        """As `series`, of cost alone."""
        with self._snapshot():
            question = ask(self._connection, by, where or {})
            return list(self._series(self._spending, question, step, (since_unix_s, until_unix_s), zone))

    def session_count(
        self, since_unix_s: int, until_unix_s: int, where: Where | None = None
    ) -> tuple[int | None, bool]:
        """How many distinct sessions had an event in `[since, until)`, and whether that is an estimate.

        None where a condition is on a dimension that sessions are not kept by.
        """
        with self._snapshot():
            counted = self._sessions(ask(self._connection, (), where or {}), since_unix_s, until_unix_s)
            return (None, False) if counted is None else (counted.by_group.get((), 0), counted.is_estimated)

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

    def _series(
        self,
        answer: "_Answer[Sums]",
        question: Question,
        step: Grain,
        bounds: tuple[int, int],
        zone: tzinfo,
    ) -> Iterator[Point[Sums]]:
        found: Iterable[tuple[int, dict[_Key, Sums]]]
        if zone is UTC:
            stepped = msgspec.structs.replace(question, by=(step, *question.by))
            by_start: dict[int, dict[_Key, Sums]] = {}
            for key, sums in answer(stepped, *bounds).items():
                by_start.setdefault(key[0], {})[key[1:]] = sums
            found = sorted(by_start.items())
        else:
            since, until = self._within_span(*bounds)
            local = steps(step, since, until, zone) if since < until else ()
            found = ((start, answer(question, max(start, since), min(end, until))) for start, end in local)
        for start, groups in found:
            for named in self._named(question, groups):
                yield Point(start, named)

    def _summary(self, question: Question, since: int, until: int) -> dict[_Key, Summary]:
        groups = {key: summary_of(sums) for key, sums in self._sums(question, since, until)}
        counted = self._sessions(question, since, until)
        if counted is not None:
            for key, summary in groups.items():
                summary.sessions = counted.by_group.get(key, 0)
                summary.is_sessions_estimated = counted.is_estimated
        return groups

    def _spending(self, question: Question, since: int, until: int) -> dict[_Key, Spending]:
        question = msgspec.structs.replace(question, is_of_spending=True)
        return {key: spending_of(sums) for key, sums in self._sums(question, since, until)}

    def _sessions(self, question: Question, since: int, until: int) -> sessions.Counted | None:
        return sessions.count(self._connection, question, *self._widened(since, until), self._months)

    def _sums(self, question: Question, since: int, until: int) -> Iterator[tuple[_Key, tuple[int, ...]]]:
        """Every group's key and sums."""
        since, until = self._widened(since, until)
        parts, values = list[str](), list[int]()
        for piece in pieces(question.needed, since, until):
            if piece.table:
                parts.append(question.of_rollup(piece.table))
                values += (piece.since_unix_s, piece.until_unix_s, *question.values)
                continue
            for month in self._months(piece.since_unix_s, piece.until_unix_s):
                parts.append(question.of_events(month))
                values += (piece.since_unix_s * _US, piece.until_unix_s * _US, *question.values)
        if parts:
            dimensions = len(question.by)
            for row in self._connection.execute(question.of_parts(parts), values):
                yield row[:dimensions], row[dimensions:]

    def _within_span(self, since: int, until: int) -> tuple[int, int]:
        """The part of a time in which there may be events."""
        span = self._span()
        if span is None:
            return since, since
        return max(since, span[0] // _US), min(until, span[1] // _US + 1)

    def _widened(self, since: int, until: int) -> tuple[int, int]:
        """A time with the same events: outside of the first and last there is nothing, and whole months are
        cheaper than parts."""
        span = self._span()
        if span is None or since >= until:
            return since, since
        first, last = span[0] // _US, span[1] // _US + 1
        return (
            month_start(first) if since <= first else since,
            ceiling("month", last) if until >= last else until,
        )

    def _named(self, question: Question, groups: dict[_Key, Sums]) -> list[Sums]:
        text = names(self._connection)
        for key, sums in groups.items():
            sums.group = tuple(
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
