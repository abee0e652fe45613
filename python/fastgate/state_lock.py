"""One gateway per state directory: an exclusive lock on `control.lock`, held as long as the process lives.

SO_REUSEPORT lets a second process share a port without a word, so the port alone does not keep two gateways
apart. The kernel drops the lock with the process, however it ends.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from fastgate.errors import StartError, StateInUse

LOCK_FILE = "control.lock"


def check_free(directory: str) -> None:
    """See whether a gateway could start on a state directory; nothing is written, nothing kept.

    A gateway that starts within the same microseconds would take this for another gateway.

    Raises:
        StateInUse: A gateway holds it.
    """
    try:
        file = (Path(directory) / LOCK_FILE).open(encoding="utf-8")
    except OSError:
        # Never used so far, or not readable: nobody's who could be named.
        return
    with file:
        _take(file, fcntl.LOCK_SH, directory)


def _take(file: TextIO, kind: int, directory: str) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read(32).strip()
        process = f" (process {holder})" if holder.isdigit() else ""
        raise StateInUse(
            f"state directory {directory} is in use by another gateway{process}; "
            "stop it, or give this one its own server.state_dir",
            process=int(holder) if holder.isdigit() else None,
        ) from None


class StateLock:
    """The lock on a state directory, taken when made.

    Raises:
        StateInUse: Another gateway holds it.
        StartError: The directory can't be made or written.
    """

    def __init__(self, directory: str) -> None:
        path = Path(directory) / LOCK_FILE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise StartError(f"state directory {directory} can't be used: {error.strerror}") from None
        try:
            _take(self._file, fcntl.LOCK_EX, directory)
        except StateInUse:
            self._file.close()
            raise
        self._file.truncate(0)
        self._file.write(f"{os.getpid()}\n")
        self._file.flush()

    def release(self) -> None:
        """Give the directory free; again is no error."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
