"""A running target: started, waited for, measured, stopped."""

import time
from dataclasses import dataclass

from bench import metrics
from bench.books import Books
from bench.checks import ask
from bench.cpu import Memory, Snapshot, cpu_ns, memory, snapshot
from bench.loop import Check
from bench.payload import Kind, Request
from bench.processes import BenchError, Child
from bench.targets import Launch, Site, Target

DIRECT = "direct"


@dataclass
class Instance:
    """A target with its ports, requests, checks; `child` is None for the upstream asked directly."""

    name: str
    launch: Launch
    checks: dict[Kind, Check]
    child: Child | None
    exact: bool = True

    def port(self, kind: Kind) -> int:
        """Where to ask for this kind of answer."""
        return self.launch.ports[kind]

    def request(self, kind: Kind) -> Request:
        """What to ask."""
        return self.launch.requests[kind]

    def encoded(self, kind: Kind) -> bytes:
        """What to ask, as bytes."""
        return self.request(kind).encode(self.port(kind))

    def cpu(self) -> Snapshot | None:
        """CPU time of the whole tree so far."""
        return snapshot(self.child.pid) if self.child else None

    def memory(self) -> Memory | None:
        """Memory of the whole tree."""
        return memory(self.child.pid) if self.child else None

    def books(self) -> Books:
        """Its books, opened now."""
        return Books(self.launch.spool)

    def policy(self) -> metrics.Histogram:
        """What policy took so far; empty where nothing tells."""
        return metrics.policy(self.launch.admin) if self.launch.admin else {}

    def stop(self) -> None:
        """End it."""
        if self.child:
            self.child.stop()


def used_ns(before: Snapshot | None, after: Snapshot | None) -> int | None:
    """CPU time between two snapshots, None where there is no process of its own."""
    return cpu_ns(before, after) if before is not None and after is not None else None


def start(target: Target, site: Site, checks: dict[Kind, Check]) -> tuple[Instance, float]:
    """Start a target and wait for its first right answer; the instance and the seconds that took."""
    needed = target.needs(site.options)
    if not needed.exists():
        raise BenchError(f"{needed.name} is not there ({needed})")
    site.directory.mkdir(parents=True, exist_ok=True)
    launch = target.prepare(site)
    child = Child(
        target.name, launch.argv, cpus=site.options.server_cpus, directory=site.directory, env=launch.env
    )
    instance = Instance(target.name, launch, checks, child, target.exact)
    try:
        return instance, _first_answer(instance, child, target.start_seconds)
    except BaseException:
        instance.stop()
        raise


def _first_answer(instance: Instance, child: Child, limit_seconds: float) -> float:
    deadline = child.started_ns + int(limit_seconds * 1e9)
    request, port = instance.request(Kind.JSON), instance.port(Kind.JSON)
    refused = "it never listened"
    while time.monotonic_ns() < deadline:
        try:
            problem = instance.checks[Kind.JSON](ask(port, request))
            answered = time.monotonic_ns()
        except OSError:
            problem = refused
        except BenchError as error:
            problem = str(error)
        if problem is None:
            return (answered - child.started_ns) / 1e9
        child.check()
        time.sleep(0.001)
    raise BenchError(
        f"{instance.name} gave no right answer in {limit_seconds} s: {problem}\n{child.log_tail()}"
    )
