"""Drills over a fake engine, a fake clock and reports that nobody has to wait for."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from fastgate.drills.drill import Drill
from fastgate.drills.keeping import Folder
from fastgate.drills.reports import Reports
from fastgate.drills.running import Drills, Known

START_MS = 1_800_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


class FakeEngine:
    """Knows the drills it is told of, and says what it is told to have counted."""

    def __init__(self) -> None:
        self.drills: list[dict[str, Any]] = []
        self.counts: dict[str, dict[str, int]] = {}
        self.refuse: str | None = None
        self.told = 0

    def set_drills(self, drills: bytes) -> None:
        if self.refuse is not None:
            raise ValueError(self.refuse)
        self.drills = json.loads(drills)
        self.told += 1

    def drill_counts(self) -> bytes:
        return json.dumps(self.counts).encode()

    def count(self, drill_id: str, exchanges: int, failed: int = 0, forced: int = 0) -> None:
        self.counts[drill_id] = {"exchanges": exchanges, "failed": failed, "forced": forced}

    def ids(self) -> list[str]:
        return [drill["id"] for drill in self.drills]


class FakeChild:
    """A process that ends when it is told to."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = list(arguments)
        self.code: int | None = None
        self.stderr: IO[bytes] | None = io.BytesIO()
        self.killed = False

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.killed = True

    def wait(self) -> int:
        return -9


class Bench:
    """Drills that can be restarted, with everything around them in hand."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.now_ms = START_MS
        self.engine = FakeEngine()
        self.folder = Folder(state_dir)
        self.children: list[FakeChild] = []
        self.known = Known(providers=("anthropic", "openai"), tenants=("default", "staging", "prod"))
        self.drills = self.open()

    def open(self) -> Drills:
        reports = Reports(self.state_dir, self.spawn)
        return Drills(self.engine, self.state_dir, self.known, now_ms=lambda: self.now_ms, reports=reports)

    def restart(self) -> None:
        """The process dies, and another one starts, whose engine has counted nothing."""
        self.engine = FakeEngine()
        self.drills = self.open()

    def spawn(self, arguments: Sequence[str]) -> FakeChild:
        self.children.append(FakeChild(arguments))
        return self.children[-1]

    def pass_ms(self, ms: int) -> None:
        self.now_ms += ms
        self.drills.poll()

    def start(self, **asked: Any) -> Drill:
        return self.drills.start({"provider": "anthropic", "percent": 10, "for": "1h", **asked}, by="ops")

    def configure(self, *drills: Drill) -> None:
        self.known = Known(self.known.providers, self.known.tenants, drills)
        self.drills.configure(self.known)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def drill(drill_id: str = "q1", **more: Any) -> Drill:
    """A drill of the configuration: an hour, from an hour after the start."""
    fields: dict[str, Any] = {
        "provider": "anthropic",
        "permille": 100,
        "starts_unix_ms": START_MS + HOUR_MS,
        "ends_unix_ms": START_MS + 2 * HOUR_MS,
        "origin": "configuration",
        **more,
    }
    return Drill(id=drill_id, **fields)
