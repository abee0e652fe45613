"""Reports in the making: a child process at a time, so that reading a day of records costs no gateway.

What a report says is `comparison`'s matter, and the child is `report`.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import msgspec

from fastgate.drills.drill import DrillRefused
from fastgate.drills.keeping import Folder

LONGEST_S = 1800.0

logger = logging.getLogger("fastgate.drills")


class Child(Protocol):
    """What is asked of `subprocess.Popen`."""

    @property
    def stderr(self) -> IO[bytes] | None: ...
    def poll(self) -> int | None: ...
    def kill(self) -> None: ...
    def wait(self) -> int: ...


@dataclass(frozen=True)
class _Making:
    drill_id: str
    child: Child
    started_s: float


class _Final(msgspec.Struct):
    is_final: bool


def spawn(arguments: Sequence[str]) -> Child:
    """Start `python -m fastgate.drills.report`."""
    command = [sys.executable, "-m", "fastgate.drills.report", *arguments]
    return subprocess.Popen(  # noqa: S603 - our own module; an id is one argument, whatever is in it
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


class Reports:
    """Makes reports and hands them out. Its owner sees to it that one thread uses it at a time."""

    def __init__(self, state_dir: Path, spawn: Callable[[Sequence[str]], Child] = spawn) -> None:
        self._state_dir = state_dir
        self._folder = Folder(state_dir)
        self._spawn = spawn
        self._making: _Making | None = None
        self._fresh: str | None = None
        """Whose report was made last and not handed out yet."""
        self._failed: dict[str, str] = {}

    def make(self, drill_id: str, now_ms: int) -> bool:
        """Begin to make a report; False while another one is being made."""
        self.poll()
        if self._making is not None:
            return False
        try:
            child = self._spawn([str(self._state_dir), drill_id, str(now_ms)])
        except OSError as error:
            self._fail(drill_id, str(error))
            return True
        self._failed.pop(drill_id, None)
        self._fresh = None
        self._making = _Making(drill_id, child, time.monotonic())
        return True

    def poll(self) -> None:
        """See whether the child has finished."""
        making = self._making
        if making is None:
            return
        code = making.child.poll()
        if code is None:
            if time.monotonic() > making.started_s + LONGEST_S:
                making.child.kill()
            return
        self._making = None
        # At the end of what it said is why.
        said = making.child.stderr.read().decode(errors="replace").strip() if making.child.stderr else ""
        if making.child.stderr:
            making.child.stderr.close()
        if code == 0:
            self._fresh = making.drill_id
        else:
            self._fail(making.drill_id, said.splitlines()[-1] if said else f"exit code {code}")

    def get(self, drill_id: str, *, is_over: bool, now_ms: int) -> bytes | None:
        """A report: the final one of a drill that is over, one as of now of another; None while it is made.

        Raises:
            DrillRefused: It could not be made; the next call tries again.
        """
        self.poll()
        if failure := self._failed.pop(drill_id, None):
            raise DrillRefused(f"the report can't be made: {failure}", status=500, code="report_failed")
        if (is_over or self._fresh == drill_id) and (report := self._read(drill_id, is_over)):
            if self._fresh == drill_id:
                self._fresh = None
            return report
        if self._making is None:
            self.make(drill_id, now_ms)
        return None

    def close(self) -> None:
        """Let go of the child."""
        if self._making is not None:
            self._making.child.kill()
            self._making.child.wait()
            if self._making.child.stderr:
                self._making.child.stderr.close()
            self._making = None

    def _read(self, drill_id: str, is_over: bool) -> bytes | None:
        try:
            report = self._folder.report(drill_id).read_bytes()
            is_final = msgspec.json.decode(report, type=_Final).is_final
        except (OSError, msgspec.MsgspecError):
            return None
        return report if is_final or not is_over else None

    def _fail(self, drill_id: str, why: str) -> None:
        self._failed[drill_id] = why
        logger.error("the report of drill %s can't be made: %s", drill_id, why)
