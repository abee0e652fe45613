"""The gateway's side of the loader: a child process, started when there is something to load.

It costs a gateway nothing but a pipe. If it dies it is started again, after a while that doubles.
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

MODULE = "fastgate.billing.ledger.child"
_RESTART_S = 1.0
_RESTART_MAX_S = 300.0
# Beyond this it has nothing that the next start would not load again.
_STOP_S = 5.0

logger = logging.getLogger("fastgate.ledger")


class LedgerProcess:
    """The loader of one state directory."""

    def __init__(
        self,
        state_dir: Path,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state_dir = state_dir
        self._command = command or (sys.executable, "-m", MODULE, str(state_dir))
        self._clock = clock
        self._child: subprocess.Popen[bytes] | None = None
        # Whoever polls may do so in another thread than who stops.
        self._lock = threading.Lock()
        self._is_stopped = False
        self._not_before_s = 0.0
        self._restart_s = _RESTART_S
        self._started_s = 0.0

    @property
    def process_id(self) -> int | None:
        """The child's, while there is one."""
        return self._child.pid if self._child is not None else None

    def poll(self) -> None:
        """Start the child if there are records and none runs. For the control plane, a few times a second."""
        with self._lock:
            if not self._is_stopped:
                self._poll()

    def _poll(self) -> None:
        now = self._clock()
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return
            self._close()
            if now - self._started_s > _RESTART_MAX_S:
                self._restart_s = _RESTART_S
            self._not_before_s, self._restart_s = (
                now + self._restart_s,
                min(self._restart_s * 2, _RESTART_MAX_S),
            )
            logger.warning("the ledger's loader ended with %d; it is started again", code)
        if now >= self._not_before_s and self._has_records():
            self._started_s = now
            try:
                self._child = subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603 -- our own
            except OSError as error:
                self._not_before_s = now + _RESTART_MAX_S
                logger.error("the ledger's loader can't be started: %s", error)

    def stop(self) -> None:
        """Let it finish its batch and end, for good; again is no error."""
        with self._lock:
            self._is_stopped = True
        if self._child is None:
            return
        if self._child.stdin is not None:
            self._child.stdin.close()
        try:
            self._child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None

    def _close(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
        self._child = None

    def _has_records(self) -> bool:
        try:
            return any(True for _ in (self._state_dir / "spool").iterdir())
        except OSError:
            return False
