"""`python -m fastgate.billing.ledger.child STATE_DIR`: load the spool as long as standard input stays open.

The gateway starts it, and holds the other end of its input: however the gateway ends, the child sees the end
of the file and stops behind the batch that it is at. A full disk or a busy file is waited for: nothing of the
spool is lost by that.
"""

import gc
import logging
import os
import select
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from fastgate.billing.ledger.loading import Loader
from fastgate.billing.ledger.schema import LedgerError
from fastgate.billing.ledger.sqlite_store import LedgerInUse, SqliteStore

# How old the ledger's news may be; each look costs a transaction where there is any.
POLL_S = 1.0
# Between attempts while the disk is full or the file is busy, at most.
WAIT_MAX_S = 30.0
_NICE = 10
_LAST_S = 2.0
_OBJECTS_BETWEEN_COLLECTIONS = 200_000

logger = logging.getLogger("fastgate.ledger")


def main(arguments: list[str]) -> int:
    """Load until the input ends; 0 then, 1 if the ledger can't be used."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Ctrl-C reaches every process of a terminal; the gateway's end is ours.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICE)
    quieten_collector()
    waiting = Waiting(sys.stdin.buffer)
    try:
        follow(Path(arguments[0]), waiting)
    except LedgerError as error:
        logger.error("%s", error)
        return 1
    return 0


def quieten_collector() -> None:
    """Look for cycles rarely: records and rows form none, and there are millions of them."""
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


class Waiting:
    """Pauses that end with the parent."""

    def __init__(self, parent: BinaryIO) -> None:
        self._parent = parent

    def __call__(self, seconds: float) -> bool:
        """Wait; whether the parent is gone."""
        readable, _, _ = select.select([self._parent], [], [], seconds)
        return bool(readable) and not os.read(self._parent.fileno(), 4096)


def follow(state_dir: Path, wait: Callable[[float], bool]) -> None:
    """Load what comes until `wait` says that it is over.

    Args:
        state_dir: Where the gateway keeps its data.
        wait: Takes seconds and tells whether to stop.

    Raises:
        LedgerError: The ledger can't be used at all.
    """
    loading = Loading(state_dir)
    try:
        while not wait(loading.attempt(lambda: wait(0))):
            pass
        # What the gateway wrote while it stopped; if it is too much, the rest is the next start's.
        end_s = time.monotonic() + _LAST_S
        loading.attempt(lambda: time.monotonic() > end_s)
    finally:
        loading.close()


class Loading:
    """Loads again and again, also after what prevents it for a while."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._store: SqliteStore | None = None
        self._loader: Loader | None = None
        self._delay_s = POLL_S
        self._failing = ""

    def attempt(self, is_stopped: Callable[[], bool]) -> float:
        """Load what there is; seconds after which to try again.

        Raises:
            LedgerError: The ledger can't be used at all.
        """
        try:
            if self._store is None or self._loader is None:
                self._store = SqliteStore(self._state_dir)
                self._loader = Loader(self._state_dir / "spool", self._store)
            self._loader.load(is_stopped)
        except (LedgerInUse, sqlite3.OperationalError, OSError) as error:
            self._delay_s = min(self._delay_s * 2, WAIT_MAX_S)
            if str(error) != self._failing:
                self._failing = str(error)
                logger.warning("the ledger waits, records stay in the spool: %s", error)
            return self._delay_s
        except sqlite3.DatabaseError as error:
            raise LedgerError(
                f"the ledger is damaged ({error}): stop the gateway, then `fastgate ledger rebuild`"
            ) from error
        if self._failing:
            logger.info("the ledger is being loaded again")
        self._delay_s, self._failing = POLL_S, ""
        return POLL_S

    def close(self) -> None:
        """Let go of the ledger."""
        if self._store is not None:
            self._store.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
