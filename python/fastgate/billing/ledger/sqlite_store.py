"""The ledger's one writer: a batch is one transaction of SQLite's (WAL, synced at checkpoints).

A crash takes at most the last transactions whole, positions with them, and they are read from the spool
again. So nothing is lost as long as the spool is kept, and nothing counts twice: an event's id is unique.
"""
# ruff: noqa: S608 -- tables and columns are the schema's own words, values are bound

import contextlib
import fcntl
import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self, TypeAlias

import msgspec

from fastgate.billing.ledger import rollups
from fastgate.billing.ledger.connection import connect, ledger_file, unusable
from fastgate.billing.ledger.records import (
    Correction,
    Exchange,
    Reservation,
    correction_row,
    prompt_of,
    rows,
)
from fastgate.billing.ledger.schema import (
    EVENT_COLUMNS,
    LedgerError,
    create,
    create_month,
    month_table,
    rolled_up,
)
from fastgate.billing.ledger.store import Appended, Batch, Position

LOCK_FILE = "loader.lock"
_US_PER_DAY = 86_400_000_000
# Days whose prompts are remembered: today's, and those of what is loaded late.
_PROMPT_DAYS = 3
_ROLLED_UP_AT_ONCE = 200_000
_NAMES_REMEMBERED = 200_000
_INSERT = (
    f"INSERT OR IGNORE INTO {{}} ({', '.join(EVENT_COLUMNS)}) VALUES ({', '.join('?' * len(EVENT_COLUMNS))})"
)

_Prompt: TypeAlias = tuple[int, int]


class LedgerInUse(LedgerError):
    """Another process loads this ledger."""


class Names(dict[str | None, int]):
    """Ids of names; a new name gets one. Part of the transaction that it is used in."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Look everything up again: after a rollback, and to stay small."""
        self.clear()
        self[None] = 0

    def __missing__(self, text: str | None) -> int:
        found = self._connection.execute("SELECT id FROM names WHERE text = ?", (text,)).fetchone()
        if found is None:
            found = (self._connection.execute("INSERT INTO names (text) VALUES (?)", (text,)).lastrowid,)
        self[text] = int(found[0])
        return self[text]


class SqliteStore:
    """The ledger of a state directory, made if it is not there; one process at a time.

    Args:
        state_dir: Where the gateway keeps its data.
        file: The ledger's file, if it is another one.

    Raises:
        LedgerInUse: Another process loads it.
        LedgerError: It can't be used.
    """

    def __init__(self, state_dir: str | Path, file: Path | None = None) -> None:
        self.file = file or ledger_file(state_dir)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = (ledger_file(state_dir).parent / LOCK_FILE).open("a")
        except OSError as error:
            raise LedgerError(f"the ledger {self.file} can't be written: {error.strerror}") from None
        try:
            self._take_lock()
            self.connection = connect(self.file, read_only=False)
            with unusable(self.file):
                create(self.connection)
                self.connection.execute("PRAGMA synchronous = NORMAL")
                rollups.prepare(self.connection)
        except BaseException:
            self._lock.close()
            raise
        self._names = Names(self.connection)
        self._prompt_day = 0
        self._pending = 0
        # The month table of the day that was met last.
        self._tables: dict[int, str] = {}

    def close(self) -> None:
        """Let go of file and lock."""
        self.connection.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def positions(self) -> dict[str, Position]:
        """How far each segment has been read."""
        found = self.connection.execute("SELECT name, offset, records, is_done FROM segments")
        return {name: Position(offset, records, bool(is_done)) for name, offset, records, is_done in found}

    def append(self, batch: Batch) -> Appended:
        """Take a batch whole, or not at all.

        Raises:
            sqlite3.OperationalError: Not now: the disk is full, or another process holds the file.
            sqlite3.DatabaseError: The file is damaged.
        """
        with self._transaction():
            appended = self._append(batch)
        self._pending += appended.events
        if self._pending >= _ROLLED_UP_AT_ONCE:
            self.roll_up()
        return appended

    def roll_up(self) -> None:
        """Bring the sums up to date with the events.

        Raises:
            sqlite3.OperationalError: Not now: the disk is full, or another process holds the file.
            sqlite3.DatabaseError: The file is damaged.
        """
        with self._transaction():
            for table in rolled_up(self.connection):
                rollups.add(self.connection, table)
        self._pending = 0

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            self._names.forget()
            # SQLite has rolled back by itself where it could not go on.
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        if len(self._names) > _NAMES_REMEMBERED:
            self._names.forget()

    def _append(self, batch: Batch) -> Appended:
        segment = self._note_position(batch)
        exchanges = [record for record in batch.records if isinstance(record, Exchange)]
        prompts = [prompt_of(exchange, self._names[exchange.tenant]) for exchange in exchanges]
        seen, fresh = self._prompts(prompts), dict[_Prompt, None]()
        months: dict[str, list[tuple[Exchange | Correction, bool]]] = {}
        for exchange, prompt in zip(exchanges, prompts, strict=True):
            is_repeat = prompt is not None and prompt in seen
            if prompt is not None and not is_repeat:
                fresh[prompt] = None
                seen.add(prompt)
            months.setdefault(self._table(exchange), []).append((exchange, is_repeat))
        for record in batch.records:
            if isinstance(record, Correction):
                months.setdefault(self._table(record), []).append((record, False))
        inserted = sum(self._insert(table, found, segment) for table, found in months.items())
        self._remember(fresh)
        self._reserve(
            [record for record in batch.records if isinstance(record, Reservation)],
            {exchange.id for exchange in exchanges},
        )
        trails = sum(len(exchange.trail) for exchange in exchanges)
        return Appended(inserted, sum(map(len, months.values())) + trails - inserted)

    def _insert(self, table: str, records: list[tuple[Exchange | Correction, bool]], segment: int) -> int:
        """Insert the events that are not there yet; how many that are."""
        create_month(self.connection, table)
        (behind,) = self.connection.execute(f"SELECT ifnull(max(sequence), 0) FROM {table}").fetchone()
        # Made one by one: a list of all would cost more than to make it.
        self.connection.executemany(
            _INSERT.format(table),
            itertools.chain.from_iterable(
                rows(record, self._names, segment, is_repeat=is_repeat)
                if isinstance(record, Exchange)
                else [correction_row(record, self._names, segment)]
                for record, is_repeat in records
            ),
        )
        (last,) = self.connection.execute(f"SELECT ifnull(max(sequence), 0) FROM {table}").fetchone()
        # Nothing is ever deleted, so the sequence has no gaps.
        return int(last - behind)

    def _table(self, record: Exchange | Correction) -> str:
        day = record.started_unix_us // _US_PER_DAY
        if day not in self._tables:
            self._tables = {day: month_table(record.started_unix_us)}
        return self._tables[day]

    def _note_position(self, batch: Batch) -> int:
        position = batch.position
        (segment,) = self.connection.execute(
            "INSERT INTO segments (name, offset, records, is_done) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET offset = excluded.offset, records = excluded.records, "
            "is_done = excluded.is_done RETURNING id",
            (batch.segment, position.offset, position.records, position.is_done),
        ).fetchone()
        self.connection.executemany(
            "INSERT OR IGNORE INTO problems (segment, offset, length, fault) VALUES (?, ?, ?, ?)",
            [(batch.segment, *problem) for problem in batch.problems],
        )
        self.connection.executemany(
            "INSERT INTO skipped (why, records) VALUES (?, ?) "
            "ON CONFLICT (why) DO UPDATE SET records = records + excluded.records",
            list(batch.skipped.items()),
        )
        return int(segment)

    def _prompts(self, prompts: Iterable[_Prompt | None]) -> set[_Prompt]:
        """Those of a batch's prompts that were there before."""
        days: dict[int, list[int]] = {}
        for prompt in prompts:
            if prompt is not None:
                days.setdefault(prompt[0], []).append(prompt[1])
        return {
            (day, number)
            for day, numbers in days.items()
            for (number,) in self.connection.execute(
                "SELECT prompt FROM prompts WHERE day = ? AND prompt IN (SELECT value FROM json_each(?))",
                (day, msgspec.json.encode(numbers).decode()),
            )
        }

    def _remember(self, prompts: Mapping[_Prompt, None]) -> None:
        if not prompts:
            return
        self.connection.executemany(
            "INSERT OR IGNORE INTO prompts (day, prompt) VALUES (?, ?)", sorted(prompts)
        )
        newest = max(day for day, _ in prompts)
        if newest > self._prompt_day:
            self.connection.execute("DELETE FROM prompts WHERE day <= ?", (newest - _PROMPT_DAYS,))
            self._prompt_day = newest

    def _reserve(self, reservations: Iterable[Reservation], settled: set[str]) -> None:
        """Keep reservations whose exchange has not come, and let go of those whose has."""
        waiting = self.connection.execute("SELECT EXISTS (SELECT 1 FROM reservations)").fetchone()[0]
        if waiting:
            self.connection.executemany(
                "DELETE FROM reservations WHERE id = ?", [(exchange,) for exchange in settled]
            )
        for reservation in reservations:
            if reservation.id not in settled and not self._has_exchange(reservation):
                self.connection.execute(
                    "INSERT INTO reservations (id, started_unix_us, tenant, cost_pusd) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (id) DO UPDATE SET cost_pusd = max(cost_pusd, excluded.cost_pusd)",
                    (
                        reservation.id,
                        reservation.started_unix_us,
                        self._names[reservation.tenant],
                        reservation.cost_pusd,
                    ),
                )

    def _has_exchange(self, reservation: Reservation) -> bool:
        # Its records may come from two segments in any order.
        return any(
            self.connection.execute(
                f"SELECT 1 FROM {table} WHERE exchange_id = ? LIMIT 1", (reservation.id,)
            ).fetchone()
            for table in rolled_up(self.connection)
            if table >= month_table(reservation.started_unix_us)
        )

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LedgerInUse(
                f"{self.file} is being loaded by another process: a running gateway does that by itself"
            ) from None
