"""The upstream the targets stand before: `fastgate mock`, or the built-in one (nginx and a paced asyncio
server).

One address per kind of answer, so that no target spends time choosing between them.
"""

import json
import re
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import nginx
from bench.http1 import get
from bench.options import HELD_CHUNKS, HELD_GAP_MS
from bench.payload import Kind, reply_body
from bench.processes import BenchError, Child, free_port


@dataclass(frozen=True)
class Upstream:
    """The running upstream: a port and a process per kind."""

    ports: Mapping[Kind, int]
    children: Mapping[Kind, Child]
    description: str

    def counts(self, kind: Kind) -> int:
        """How many requests arrived so far; asking may count too, see `parse_counts`."""
        return parse_counts(get(self.ports[kind], "/_mock/counts").body.decode())

    def stop(self) -> None:
        """End all processes."""
        for child in {child.pid: child for child in self.children.values()}.values():
            child.stop()


def parse_counts(text: str) -> int:
    """Requests received: JSON `{"requests": n}`, or nginx's stub_status, whose third number counts every
    request.

    nginx counts the question too; `Counter` takes that out.
    """
    if text.lstrip().startswith("{"):
        return int(json.loads(text)["requests"])
    found = re.search(r"requests\s+\d+ \d+ (\d+)", text)
    if not found:
        raise BenchError(f"no count of requests in {text[:200]!r}")
    return int(found.group(1))


class Counter:
    """Requests an upstream received since the counter was made, without the counter's own questions."""

    def __init__(self, upstream: Upstream, kind: Kind) -> None:
        self._upstream, self._kind = upstream, kind
        # Two questions in a row show whether a question counts itself (nginx) or not (the mock).
        first = upstream.counts(kind)
        self._before = upstream.counts(kind)
        self._own = self._before - first

    def received(self, at_least: int, seconds: float = 1.0) -> int:
        """Requests since the start; waits a little for `at_least`, as the last ones may still be on their
        way.
        """
        deadline = time.monotonic() + seconds
        while True:
            count = self._ask()
            if count >= at_least or time.monotonic() > deadline:
                return count
            time.sleep(0.01)

    def settled(self, at_least: int, seconds: float = 5.0) -> int:
        """`received`, once none arrives any more: a slow target may work on for clients that hung up."""
        deadline = time.monotonic() + seconds
        counts = [self.received(at_least)]
        while time.monotonic() < deadline and (len(counts) < 4 or counts[-4] != counts[-1]):
            time.sleep(0.05)
            counts.append(self._ask())
        return counts[-1]

    def _ask(self) -> int:
        self._before += self._own
        return self._upstream.counts(self._kind) - self._before


def start_builtin(directory: Path, *, cpus: list[int], chunks: int, gap_ms: float) -> Upstream:
    """nginx for JSON, a paced and an unpaced asyncio server for streams."""
    directory.mkdir(parents=True, exist_ok=True)
    ports = {kind: free_port() for kind in Kind}
    config = directory / "nginx.conf"
    config.write_text(nginx.reply_config(directory, port=ports[Kind.JSON], body=reply_body()))
    children = {Kind.JSON: Child("upstream-json", nginx.argv(config), cpus=cpus, directory=directory)}
    env = {"PYTHONPATH": str(Path(__file__).parent.parent)}
    streams = {
        Kind.PACED: (chunks, gap_ms),
        Kind.UNPACED: (chunks, 0.0),
        Kind.HELD: (HELD_CHUNKS, HELD_GAP_MS),
    }
    for kind, (count, gap) in streams.items():
        argv = [sys.executable, "-m", "bench.paced", "--port", str(ports[kind])]
        argv += ["--chunks", str(count), "--gap-ms", str(gap)]
        children[kind] = Child(f"upstream-{kind}", argv, cpus=cpus, directory=directory, env=env)
    return _wait(Upstream(ports, children, f"built-in: nginx JSON, asyncio streams of {chunks} events"))


def start_mock(directory: Path, *, cpus: list[int], command: str, arguments: Mapping[Kind, str]) -> Upstream:
    """One `fastgate mock` per kind of answer, each with arguments of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    ports = {kind: free_port() for kind in Kind}
    children = {}
    for kind, port in ports.items():
        argv = [*shlex.split(command), "--listen", f"127.0.0.1:{port}", *shlex.split(arguments[kind])]
        children[kind] = Child(f"upstream-{kind}", argv, cpus=cpus, directory=directory)
    described = "; ".join(f"{kind}: {command} {arguments[kind]}" for kind in Kind)
    return _wait(Upstream(ports, children, described))


def _wait(upstream: Upstream, seconds: float = 10.0) -> Upstream:
    """Return once every kind answers."""
    deadline = time.monotonic() + seconds
    for kind, child in upstream.children.items():
        while True:
            try:
                upstream.counts(kind)
                break
            except OSError as error:
                child.check()
                if time.monotonic() > deadline:
                    raise BenchError(
                        f"{child.name} does not listen after {seconds} s:\n{child.log_tail()}"
                    ) from error
                time.sleep(0.01)
    return upstream
