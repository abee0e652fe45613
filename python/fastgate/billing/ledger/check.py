"""Proving a ledger: its sums equal its events, its events equal the spool, and every reservation is settled.

Everything is compared row by row, in one state of the ledger, also while a gateway runs.
"""
# ruff: noqa: S608 -- tables and columns are the schema's own words, values are bound

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fastgate.billing.ledger import rollups
from fastgate.billing.ledger.connection import connect, existing_file, unusable
from fastgate.billing.ledger.records import Correction, Exchange, Row, Skipped, correction_row, decode, rows
from fastgate.billing.ledger.schema import (
    EVENT_COLUMNS,
    MEASURE_COLUMNS,
    ROLLUPS,
    Grain,
    check_version,
    key_columns,
    month_bounds,
    month_table,
    rolled_up,
    rollup_table,
    rollup_tables,
)
from fastgate.billing.ledger.segments import read, segments
from fastgate.errors import StateInUse
from fastgate.state_lock import check_free

SHOWN = 5
# What a record does not say itself.
_NOT_COMPARED = ("segment", "is_repeat")
_COMPARED = [name for name in EVENT_COLUMNS if name not in _NOT_COMPARED]
_NO_NAME = -1


class Report(msgspec.Struct):
    """What was found."""

    events: int = 0
    spooled_events: int = 0
    """Those whose record is still in the spool; each once."""
    differences: list[str] = []
    """What is wrong, in words."""
    notes: list[str] = []
    """What is not, but should be known."""


def check(state_dir: Path) -> Report:
    """Compare everything.

    Raises:
        LedgerError: There is no ledger, or it can't be read.
        OSError: The spool can't be read.
    """
    file = existing_file(state_dir)
    report = Report()
    with unusable(file):
        connection = connect(file, read_only=True)
        try:
            # A year of sums may be larger than memory.
            connection.execute("PRAGMA temp_store = FILE")
            check_version(connection)
            # Not part of the ledger's own file, so a reader may have it.
            columns = ", ".join(
                f"{name} {kind.removesuffix(' NOT NULL')}" for name, kind in EVENT_COLUMNS.items()
            )
            connection.execute(f"CREATE TEMP TABLE spooled ({columns})")
            connection.execute("BEGIN")
            _check_file(connection, report)
            _check_rollups(connection, report)
            _check_spool(connection, state_dir / "spool", report)
            _check_reservations(connection, state_dir, report)
            _note(connection, report)
        finally:
            connection.close()
    return report


def _check_file(connection: sqlite3.Connection, report: Report) -> None:
    for (problem,) in connection.execute(f"PRAGMA quick_check({SHOWN})"):
        if problem != "ok":
            report.differences.append(f"database: {problem}")


def _check_rollups(connection: sqlite3.Connection, report: Report) -> None:
    """Every row of every rollup, month by month: those made of events first, then those made of rows."""
    marks = rolled_up(connection)
    for table, mark in marks.items():
        report.events += mark
        first, end = month_bounds(table)
        for source, (finest, derived) in rollups.SOURCES.items():
            events = rollups.sums_of_events(source, table).replace(
                "sequence > ?", f"sequence > ? AND sequence <= {mark}"
            )
            _compare(
                connection,
                rollup=source,
                grain=finest,
                expected=events,
                values=(0,),
                bounds=(first, end),
                report=report,
            )
            finest_table = rollup_table(source, finest)
            rows = f"(SELECT * FROM {finest_table} WHERE start_unix_s >= {first} AND start_unix_s < {end})"
            for rollup in derived:
                for grain in ROLLUPS[rollup][1]:
                    if (rollup, grain) != (source, finest):
                        sums = rollups.sums_of_rows(source, rollup, grain, rows, first)
                        _compare(
                            connection,
                            rollup=rollup,
                            grain=grain,
                            expected=sums,
                            values=(),
                            bounds=(first, end),
                            report=report,
                        )
    for table, *_ in rollup_tables():
        known = " OR ".join(
            f"(start_unix_s >= {first} AND start_unix_s < {end})" for first, end in map(month_bounds, marks)
        )
        (strays,) = connection.execute(
            f"SELECT count(*) FROM {table} WHERE NOT ({known or 'false'})"
        ).fetchone()
        if strays:
            report.differences.append(f"{table}: {strays} rows of months without events")


def _compare(
    connection: sqlite3.Connection,
    *,
    rollup: str,
    grain: Grain,
    expected: str,
    values: tuple[int, ...],
    bounds: tuple[int, int],
    report: Report,
) -> None:
    table = rollup_table(rollup, grain)
    columns = ", ".join((*key_columns(rollup, ROLLUPS[rollup][0]), *MEASURE_COLUMNS))
    there = f"SELECT {columns} FROM {table} WHERE start_unix_s >= ? AND start_unix_s < ?"
    for one, other, bound, what in (
        (expected, there, (*values, *bounds), "missing or wrong"),
        (there, f"SELECT * FROM ({expected})", (*bounds, *values), "without events, or wrong"),
    ):
        found = connection.execute(f"SELECT count(*) FROM ({one} EXCEPT {other})", bound).fetchone()[0]
        if found:
            report.differences.append(f"{table}: {found} rows {what}")


def _check_spool(connection: sqlite3.Connection, spool: Path, report: Report) -> None:
    """Every event that the spool tells of, up to where it has been read."""
    read_up_to = {
        name: (number, records)
        for number, name, records in connection.execute("SELECT id, name, records FROM segments")
    }
    from_segment = dict[int, int]()
    ids = _Ids(connection)
    try:
        there = segments(spool)
    except FileNotFoundError:
        there = []
    for segment in there:
        number, left = read_up_to.get(segment.name, (0, 0))
        for chunk in read(spool, segment, 0) if left else ():
            payloads, left = chunk.payloads[:left], left - len(chunk.payloads[:left])
            connection.execute("DELETE FROM temp.spooled")
            connection.executemany(
                f"INSERT INTO temp.spooled VALUES ({', '.join('?' * len(EVENT_COLUMNS))})",
                _events(payloads, ids, number),
            )
            from_segment[number] = from_segment.get(number, 0) + _match(
                connection, number, segment.name, report
            )
            if left <= 0:
                break
    report.spooled_events = sum(from_segment.values())
    for number, loaded in _loaded_from(connection).items():
        if number in from_segment and loaded != from_segment[number]:
            name = next(name for name, (found, _) in read_up_to.items() if found == number)
            report.differences.append(
                f"segment {name}: the ledger has {loaded} events of it, the spool {from_segment[number]}"
            )


def _match(connection: sqlite3.Connection, number: int, segment: str, report: Report) -> int:
    """Compare the spooled events with the ledger's; how many of them the ledger has from this segment."""
    months = {
        month_table(started)
        for (started,) in connection.execute("SELECT DISTINCT started_unix_us FROM temp.spooled")
    }
    found = 0
    there = rolled_up(connection)
    for table in sorted(months):
        first, end = month_bounds(table)
        within = f"s.started_unix_us >= {first * 1_000_000} AND s.started_unix_us < {end * 1_000_000}"
        if table not in there:
            report.differences.append(f"segment {segment}: {table} is not there")
            continue
        joined = f"temp.spooled s LEFT JOIN {table} e USING (exchange_id, attempt) WHERE {within}"
        ours, theirs = (", ".join(f"{side}.{name}" for name in _COMPARED) for side in "se")
        wrong = connection.execute(
            f"SELECT exchange_id, attempt, e.sequence FROM {joined} AND ({ours}) IS NOT ({theirs})"
        )
        for exchange, attempt, sequence in wrong.fetchall():
            what = "is missing" if sequence is None else "differs from the spool"
            report.differences.append(f"event {exchange}/{attempt} of segment {segment} {what}")
        found += connection.execute(
            f"SELECT count(DISTINCT e.sequence) FROM {joined} AND e.segment = ?", (number,)
        ).fetchone()[0]
    return found


def _events(payloads: list[bytes], ids: "_Ids", segment: int) -> Iterator[Row]:
    for payload in payloads:
        try:
            record = decode(payload)
        except Skipped:
            continue
        if isinstance(record, Exchange):
            yield from rows(record, ids, segment, is_repeat=False)
        elif isinstance(record, Correction):
            yield correction_row(record, ids, segment)


def _loaded_from(connection: sqlite3.Connection) -> dict[int, int]:
    loaded = dict[int, int]()
    for table in rolled_up(connection):
        for segment, events in connection.execute(f"SELECT segment, count(*) FROM {table} GROUP BY segment"):
            loaded[segment] = loaded.get(segment, 0) + events
    return loaded


def _check_reservations(connection: sqlite3.Connection, state_dir: Path, report: Report) -> None:
    waiting = connection.execute("SELECT id, cost_pusd FROM reservations ORDER BY started_unix_us").fetchall()
    if not waiting:
        return
    total = sum(cost for _, cost in waiting)
    said = f"{len(waiting)} reservations of {total} picodollars are not settled, the oldest {waiting[0][0]}"
    try:
        check_free(str(state_dir))
    except StateInUse:
        report.notes.append(f"{said}: the gateway that runs may still do so")
    else:
        report.differences.append(f"{said}: the next start of the gateway does that")


def _note(connection: sqlite3.Connection, report: Report) -> None:
    for table, mark in rolled_up(connection).items():
        (last,) = connection.execute(f"SELECT ifnull(max(sequence), 0) FROM {table}").fetchone()
        if last > mark:
            report.notes.append(f"{table}: {last - mark} events are not in the sums yet")
    for why, records in connection.execute("SELECT why, records FROM skipped"):
        report.notes.append(f"{records} records can't be loaded: {why}")
    (places,) = connection.execute("SELECT count(*) FROM problems").fetchone()
    if places:
        report.notes.append(f"{places} damaged places in the spool: `fastgate spool check` says where")


class _Ids(dict[str | None, int]):
    """Ids of the names there are."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__({None: 0})
        self._connection = connection

    def __missing__(self, text: str | None) -> int:
        found = self._connection.execute("SELECT id FROM names WHERE text = ?", (text,)).fetchone()
        if len(self) > 200_000:
            self.clear()
            self[None] = 0
        self[text] = int(found[0]) if found else _NO_NAME
        return self[text]
