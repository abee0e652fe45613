"""How a ledger does: what it holds, how large it is, and how far it is behind the spool."""

import sqlite3
from pathlib import Path

import msgspec

from fastgate.billing.ledger.connection import connect, existing_file, unusable
from fastgate.billing.ledger.schema import check_version, rolled_up
from fastgate.billing.ledger.segments import read, segments


class Status(msgspec.Struct):
    """A ledger now."""

    events: int = 0
    last_event_unix_us: int | None = None
    file_bytes: int = 0
    waiting_records: int = 0
    """Records of the spool that it has not taken."""
    waiting_since_unix_us: int | None = None
    """When the oldest of them began."""
    reservations: int = 0
    """Those that are not settled."""
    skipped: dict[str, int] = {}
    damaged_places: int = 0


class _Started(msgspec.Struct):
    started_unix_us: int | None = None


_started = msgspec.json.Decoder(_Started)


def status(state_dir: Path) -> Status:
    """Look at a ledger and its spool; reads what waits there.

    Raises:
        LedgerError: There is no ledger, or it can't be read.
        OSError: The spool can't be read.
    """
    file = existing_file(state_dir)
    found = Status(file_bytes=sum(path.stat().st_size for path in file.parent.glob(f"{file.name}*")))
    with unusable(file):
        connection = connect(file, read_only=True)
        try:
            check_version(connection)
            positions = _read_ledger(connection, found)
        finally:
            connection.close()
    try:
        there = segments(state_dir / "spool")
    except FileNotFoundError:
        return found
    for segment in there:
        offset, is_done = positions.get(segment.name, (0, False))
        for chunk in () if is_done else read(state_dir / "spool", segment, offset):
            found.waiting_records += len(chunk.payloads)
            if chunk.payloads:
                _note_oldest(chunk.payloads[0], found)
    return found


def _read_ledger(connection: sqlite3.Connection, found: Status) -> dict[str, tuple[int, bool]]:
    connection.execute("BEGIN")
    for table in rolled_up(connection):
        (events,) = connection.execute(f"SELECT ifnull(max(sequence), 0) FROM {table}").fetchone()  # noqa: S608
        (last,) = connection.execute(f"SELECT max(started_unix_us) FROM {table}").fetchone()  # noqa: S608
        found.events += events
        found.last_event_unix_us = last if last is not None else found.last_event_unix_us
    (found.reservations,) = connection.execute("SELECT count(*) FROM reservations").fetchone()
    found.skipped = dict(connection.execute("SELECT why, records FROM skipped").fetchall())
    (found.damaged_places,) = connection.execute("SELECT count(*) FROM problems").fetchone()
    rows = connection.execute("SELECT name, offset, is_done FROM segments")
    return {name: (offset, bool(is_done)) for name, offset, is_done in rows}


def _note_oldest(payload: bytes, found: Status) -> None:
    try:
        started = _started.decode(payload).started_unix_us
    except (msgspec.MsgspecError, UnicodeError):
        return
    if started is not None:
        found.waiting_since_unix_us = min(started, found.waiting_since_unix_us or started)
