"""One gateway per state directory: an exclusive lock on `control.lock`, held as long as the process lives.

SO_REUSEPORT lets a second process share a port without a word, so the port alone does not keep two gateways
apart. The kernel drops the lock with the process, however it ends.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from fastgate.errors import StartError, StateInUse


class StateLock:
    """The lock on a state directory, taken when made.

    Raises:
        StateInUse: Another gateway holds it.
        StartError: The directory can't be made or written.
    """

    def __init__(self, directory: str) -> None:
        path = Path(directory) / "control.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise StartError(f"state directory {directory} can't be used: {error.strerror}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read(32).strip()
            self._file.close()
            process = f" (process {holder})" if holder.isdigit() else ""
            raise StateInUse(
                f"state directory {directory} is in use by another gateway{process}; "
                "stop it, or give this one its own server.state_dir",
                process=int(holder) if holder.isdigit() else None,
            ) from None
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
