"""Making a ledger anew from the spool, beside the old one, which is kept under another name."""
# ruff: noqa: S608 -- tables and columns are the schema's own words, values are bound

import contextlib
import sqlite3
from pathlib import Path

from fastgate.billing.ledger.connection import ledger_file
from fastgate.billing.ledger.loading import Loaded, Loader
from fastgate.billing.ledger.schema import LedgerError, rolled_up
from fastgate.billing.ledger.sqlite_store import SqliteStore

# SQLite's own files beside a database, and it. In this order: a log that outlives its database would be taken
# for that of the next one.
_SUFFIXES = ("-wal", "-shm", "")


def rebuild(state_dir: Path, *, now_unix_s: int, is_forced: bool = False) -> tuple[Loaded, Path | None]:
    """Load the whole spool into a new ledger and put it in the old one's place.

    Args:
        state_dir: Where the gateway keeps its data.
        now_unix_s: Names the old ledger.
        is_forced: Also if the old ledger has events that the spool has no longer.

    Returns:
        What was loaded, and where the old ledger is now, if there was one.

    Raises:
        LedgerError: Another process loads it, or events would be lost; the old ledger stays.
    """
    old = ledger_file(state_dir)
    new = old.with_name(f"{old.name}.new")
    for suffix in _SUFFIXES:
        Path(f"{new}{suffix}").unlink(missing_ok=True)
    with SqliteStore(state_dir, new) as store:
        try:
            loaded = Loader(state_dir / "spool", store).load()
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger can't be rebuilt: {error}") from error
        lost = _only_in(store, old) if old.exists() else 0
        if lost and not is_forced:
            raise LedgerError(
                f"the spool has no longer {lost} events that {old} has: bring their segments back, "
                "or rebuild with --force and do without them (the old ledger is kept)"
            )
        # Leaves one file without a log. The lock stays ours until the store is closed.
        store.connection.close()
        kept = None
        if old.exists():
            kept = old.with_name(f"{old.name}.{now_unix_s}.old")
            for suffix in _SUFFIXES:
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{old}{suffix}").rename(f"{kept}{suffix}")
        new.rename(old)
    return loaded, kept


def _only_in(store: SqliteStore, old: Path) -> int:
    """Events of an old ledger that the new one lacks; none if the old one can't be read."""
    connection = store.connection
    try:
        connection.execute("ATTACH ? AS old", (f"file:{old.absolute()}?mode=ro",))
    except sqlite3.Error:
        return 0
    try:
        missing = 0
        there = rolled_up(connection)
        for (table,) in connection.execute("SELECT events FROM old.rolled_up").fetchall():
            absent = (
                f"NOT EXISTS (SELECT 1 FROM main.{table} n "
                "WHERE n.exchange_id = o.exchange_id AND n.attempt = o.attempt)"
            )
            (found,) = connection.execute(
                f"SELECT count(*) FROM old.{table} o WHERE {absent if table in there else 'true'}"
            ).fetchone()
            missing += found
        return missing
    except sqlite3.Error:
        return 0
    finally:
        connection.execute("DETACH old")
