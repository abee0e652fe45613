"""Where a ledger is, and how its file is opened."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from fastgate.billing.ledger.schema import LedgerError

FOLDER = "ledger"
FILE = "ledger.sqlite"
# STRICT tables.
_SQLITE_MIN = (3, 37)
_BUSY_TIMEOUT_S = 10
_CACHE_KIB = 64 * 1024


def ledger_file(state_dir: str | Path) -> Path:
    """The ledger's file in a state directory."""
    return Path(state_dir) / FOLDER / FILE


def existing_file(state_dir: str | Path) -> Path:
    """The ledger's file, which is there.

    Raises:
        LedgerError: It is not.
    """
    file = ledger_file(state_dir)
    if not file.exists():
        raise LedgerError(f"there is no ledger at {file}: `fastgate ledger load` makes it from the spool")
    return file


def connect(file: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection without implicit transactions, which any one thread at a time may use.

    Raises:
        LedgerError: The file can't be opened.
    """
    if sqlite3.sqlite_version_info < _SQLITE_MIN:
        raise LedgerError(f"the ledger needs SQLite 3.37 or later, Python has {sqlite3.sqlite_version}")
    with unusable(file):
        connection = sqlite3.connect(
            f"file:{quote(str(file.absolute()))}?mode={'ro' if read_only else 'rwc'}",
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute("PRAGMA temp_store = MEMORY")
    return connection


@contextlib.contextmanager
def unusable(file: Path) -> Iterator[None]:
    """Say in words what makes a file unusable.

    Raises:
        LedgerError: In place of SQLite's errors.
    """
    try:
        yield
    except sqlite3.ProgrammingError:
        # A mistake of ours, as to use what was closed.
        raise
    except sqlite3.OperationalError as error:
        raise LedgerError(f"the ledger {file} can't be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise LedgerError(
            f"the ledger {file} is damaged ({error}): `fastgate ledger rebuild` makes it anew from the spool"
        ) from error
