"""The order of a run: start everything once, then rounds in which the targets take turns, then fresh starts.

Targets are measured one at a time while the others idle; each round begins with another target, so that none
always follows the same neighbour.
"""

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench import checks, cpu, instance, measure, upstream
from bench.books import damage
from bench.instance import DIRECT, Instance
from bench.loop import Check
from bench.options import Options
from bench.payload import Dialect, Kind, request
from bench.processes import BenchError
from bench.samples import Failure, HeldSample, IdleSample, LoadSample, StartSample, StreamSample
from bench.targets import TARGETS, Launch, Site, Target

STREAM_KINDS = (Kind.PACED, Kind.UNPACED)
SLOW_START_SECONDS = 20.0  # targets allowed more than this are started afresh once, not every round


@dataclass
class Results:
    """All samples of a run."""

    load: list[LoadSample] = field(default_factory=list)
    idle: list[IdleSample] = field(default_factory=list)
    streams: list[StreamSample] = field(default_factory=list)
    starts: list[StartSample] = field(default_factory=list)
    held: list[HeldSample] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    upstream: str = ""
    wheel_bytes: int | None = None


def say(text: str) -> None:
    """Progress, for whoever watches."""
    print(text, file=sys.stderr, flush=True)


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The names, beginning with another one each turn."""
    at = turn % len(names) if names else 0
    return [*names[at:], *names[:at]]


class Run:
    """One run: its options, its directory, what is up."""

    def __init__(self, options: Options, directory: Path) -> None:
        self.options, self.directory = options, directory
        self.results = Results()
        self.instances: dict[str, Instance] = {}
        self.expected: dict[Dialect, dict[Kind, checks.Expected]] = {}
        self.held_body = b""
        self._cleanup = contextlib.ExitStack()

    def run(self) -> Results:
        """Do it all; whatever was started is stopped, also on errors."""
        try:
            self.start()
            self._warm_up()
            for turn in range(self.options.rounds):
                self._round(turn)
            if "start" in self.options.measures:
                self._fresh_starts(self.options.starts, self._idle_after_start)
            if "held" in self.options.measures:
                self._fresh_starts(self.options.held_rounds, self._held)
        finally:
            self.stop()
        self._check_spools()
        return self.results

    def start(self) -> None:
        """Start the upstream, learn its replies, start every target."""
        os.sched_setaffinity(0, self.options.load_cpus)
        self.upstream = self._start_upstream()
        self._cleanup.callback(self.upstream.stop)
        self.results.upstream = self.upstream.description
        self._learn_replies()
        for name in self.options.targets:
            self._start(name)

    def stop(self) -> None:
        """Stop everything that was started, the last first."""
        self._cleanup.close()

    def _start_upstream(self) -> upstream.Upstream:
        options, place = self.options, self.directory / "upstream"
        command = options.mock_command or f"{options.bin_dir}/fastgate mock"
        kind = options.upstream
        if kind == "auto":
            kind = "mock" if options.mock_command or Path(options.bin_dir, "fastgate").exists() else "builtin"
        cpus = list(options.load_cpus)
        if kind == "mock":
            return upstream.start_mock(place, cpus=cpus, command=command, arguments=options.mock_arguments)
        return upstream.start_builtin(place, cpus=cpus, chunks=options.chunks, gap_ms=options.gap_ms)

    def _learn_replies(self) -> None:
        """Ask the upstream directly: its replies are what every target must bring."""
        targets = [self._target(name) for name in self.options.targets if name != DIRECT]
        if "held" in self.options.measures:
            # It takes seconds, and its text is the same in every dialect.
            self.held_body = checks.ask(self.upstream.ports[Kind.HELD], request(Kind.HELD)).body
        for dialect in dict.fromkeys([Dialect.OPENAI, *(target.provider for target in targets)]):
            self.expected[dialect] = {
                kind: checks.expected(self.upstream.ports[kind], request(kind, dialect=dialect), kind)
                for kind in Kind
                if kind is not Kind.HELD
            }
            self.results.upstream += self._described(dialect)
        launch = Launch([], self.upstream.ports, {kind: request(kind) for kind in Kind})
        self.instances[DIRECT] = Instance(DIRECT, launch, self._checks(TARGETS["nginx"]), None)

    def _described(self, dialect: Dialect) -> str:
        found = self.expected[dialect]
        chunks = " and ".join(str(self._chunks(dialect, kind)) for kind in STREAM_KINDS)
        return f" ({dialect}: JSON of {len(found[Kind.JSON].body)} bytes, streams of {chunks} events)"

    def _chunks(self, provider: Dialect, kind: Kind) -> int:
        """Events of a stream as the provider sends it."""
        return len(checks.events(self.expected[provider][kind].body))

    def _checks(self, target: Target) -> dict[Kind, Check]:
        """What makes a reply right: the provider's bytes, or its text in the client's dialect."""
        found = self.expected[target.provider]
        if target.exact:
            made = {kind: checks.exact(one.body, fresh_ids=one.fresh_ids) for kind, one in found.items()}
        else:
            made = {kind: checks.same_content(one.body, target.client) for kind, one in found.items()}
        if self.held_body:
            made[Kind.HELD] = checks.same_content(self.held_body, target.client)
        return made

    def _site(self, name: str) -> Site:
        return Site(self.directory / name, self.upstream.ports, self.options)

    def _target(self, name: str) -> Target:
        if name not in TARGETS:
            raise SystemExit(f"unknown target {name}; known: direct, {', '.join(TARGETS)}")
        return TARGETS[name]

    def _start_instance(self, target: Target, site: Site) -> tuple[Instance, float]:
        return instance.start(target, site, self._checks(target))

    def _start(self, name: str) -> None:
        if name == DIRECT:
            return
        target = self._target(name)
        try:
            started, seconds = self._start_instance(target, self._site(name))
        except BenchError as error:
            self._failed(name, "start", error)
            return
        say(f"{name}: up after {seconds:.3f} s")
        self._cleanup.callback(started.stop)
        self.instances[name] = started

    def _check_spools(self) -> None:
        """Once all is stopped and every segment closed: no id stands twice in a spool, nothing is damaged."""
        for name, one in self.instances.items():
            problem = damage(one.launch.spool) if one.launch.spool else None
            if problem:
                self._failed(name, "spool", BenchError(problem))

    def _failed(self, name: str, what: str, error: Exception) -> None:
        say(f"{name}: {what}: {error}")
        self.results.failures.append(Failure(name, what, str(error)))

    def _each(self, turn: int, what: str, do: Callable[[Instance], None], *, direct: bool) -> None:
        """Call `do` for every target that still works; for the upstream itself where that has a meaning."""
        for name in rotated(list(self.instances), turn):
            if name == DIRECT and not (direct or DIRECT in self.options.targets):
                continue
            broken = {failure.target for failure in self.results.failures if failure.measure == what}
            if name in broken:
                continue
            try:
                do(self.instances[name])
            except (BenchError, OSError, ValueError) as error:
                self._failed(name, what, error)

    def _warm_up(self) -> None:
        """A second of load for everyone, thrown away."""
        short = replace(self.options, seconds=1, verify_requests=self.options.connections)

        def load(one: Instance) -> None:
            measure.load(one, self.upstream, short, self.directory, -1)

        if "load" in self.options.measures:
            self._each(0, "warm-up", load, direct=False)

    def _round(self, turn: int) -> None:
        options, results = self.options, self.results
        say(f"round {turn + 1} of {options.rounds}")

        def load(one: Instance) -> None:
            sample = measure.load(one, self.upstream, options, self.directory, turn)
            results.load.append(sample)
            cost = f"{sample.cpu_us:8.2f} µs CPU" if sample.cpu_us is not None else "           -"
            say(f"  load     {one.name:25}{cost} {sample.requests_per_second:9.0f}/s errors {sample.errors}")

        def idle(one: Instance) -> None:
            sample = measure.idle_trips(one, self.upstream, options, turn)
            results.idle.append(sample)
            say(f"  idle     {one.name:25}{sample.p50_us:8.1f} µs p50")

        if "load" in options.measures:
            self._each(turn, "load", load, direct=False)
        if "idle" in options.measures:
            self._each(turn, "idle", idle, direct=True)
        for kind in STREAM_KINDS:
            if kind.value in options.measures:
                self._each(turn, kind.value, functools.partial(self._stream, kind, turn), direct=False)

    def _stream(self, kind: Kind, turn: int, one: Instance) -> None:
        provider = self._target(one.name).provider
        sample = measure.streams(one, self.upstream, kind, self.options, self._chunks(provider, kind), turn)
        self.results.streams.append(sample)
        cost = f"{sample.cpu_us_per_chunk:8.2f} µs CPU a chunk" if sample.cpu_us_per_chunk is not None else ""
        say(f"  {kind:8} {one.name:25}{cost} {sample.streams} streams, errors {sample.errors}")

    def _fresh_starts(self, turns: int, measured: Callable[[Instance, int, float], None]) -> None:
        """Start targets anew beside the idle ones, in turns; none of them shares a directory with another."""
        what = measured.__name__.strip("_")
        for turn in range(turns):
            for name in rotated([name for name in self.instances if name != DIRECT], turn):
                target = self._target(name)
                if turn and target.start_seconds > SLOW_START_SECONDS:
                    continue
                try:
                    one, seconds = self._start_instance(target, self._site(f"{name}-{what}-{turn}"))
                except BenchError as error:
                    self._failed(name, "start", error)
                    continue
                try:
                    measured(one, turn, seconds)
                except (BenchError, OSError) as error:
                    self._failed(name, what, error)
                finally:
                    one.stop()

    def _held(self, one: Instance, turn: int, _seconds: float) -> None:
        sample = measure.held_streams(one, self.upstream, self.options, turn)
        self.results.held.append(sample)
        say(f"  held     {one.name:25}{sample.stream_bytes / 1024:8.1f} KiB a stream, errors {sample.errors}")

    def _idle_after_start(self, one: Instance, turn: int, seconds: float) -> None:
        before, clock = one.cpu(), time.monotonic()
        time.sleep(1.0)
        used, memory = instance.used_ns(before, one.cpu()), one.memory()
        memory = memory or cpu.Memory(0, 0)
        idle_ms = (used or 0) / 1e6 / (time.monotonic() - clock)
        sample = StartSample(one.name, turn, seconds, memory.rss_bytes, memory.pss_bytes, idle_ms)
        self.results.starts.append(sample)
        say(f"  start    {one.name:25}{seconds:8.3f} s, {memory.rss_bytes / 1e6:.1f} MB")
