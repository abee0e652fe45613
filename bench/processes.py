"""Child processes of the bench: started pinned, logged to a file, ended by pid, never by name."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import cpu

STOP_SECONDS = 5.0


class BenchError(Exception):
    """Something the bench needs is missing or did not behave; the message says what and where to look."""


@contextlib.contextmanager
def pinned(cpus: Sequence[int]) -> Iterator[None]:
    """Run the block on `cpus`; a child started inside inherits them, so its start needs no wrapper."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Child:
    """One started program and everything below it."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cpus: Sequence[int],
        directory: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self.started_ns = time.monotonic_ns()
        with self.log.open("ab") as log, pinned(cpus):
            try:
                self._process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=directory,
                    env={**os.environ, **(env or {})},
                )
            except OSError as error:
                raise BenchError(f"{name} can't be started: {error}") from error

    @property
    def pid(self) -> int:
        """The pid of the program itself."""
        return self._process.pid

    def check(self) -> None:
        """Raise with the end of the log when the program is gone."""
        if self._process.poll() is not None:
            raise BenchError(f"{self.name} ended with status {self._process.returncode}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 15) -> str:
        """The last lines the program wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """SIGTERM, then SIGKILL for what is left of the tree after some seconds."""
        tree = cpu.read_tree(self.pid)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        for stat in tree:
            if _is_alive(stat):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stat.pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)


def _is_alive(stat: cpu.Stat) -> bool:
    """Whether the very process of `stat` still runs (pids are reused, start times tell)."""
    try:
        now = cpu.parse_stat((cpu.PROC / str(stat.pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return False
    return now.start_ticks == stat.start_ticks
