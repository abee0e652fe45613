"""The drills of one gateway: which run, which are to come, which are over.

The control plane polls four times a second: what is due begins, what is over ends, and a guard that trips
takes its drill out of the engine in the same poll. A restart goes on with what was running; a reload changes
nothing but drills of the configuration that it changed or took out.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fastgate.complaints import Complaints
from fastgate.config.findings import hinted
from fastgate.drills.drill import WHEN_READ, Counts, Drill, DrillRefused, State, check, read_drill
from fastgate.drills.guard import Guard
from fastgate.drills.keeping import KEPT_IN_MEMORY, Folder, Kept
from fastgate.drills.reports import Reports
from fastgate.drills.run import Run, shown, shown_to_come
from fastgate.moments import moment, stamp

# How often the counts of a running drill are written down: what a crash forgets of them.
KEEP_EVERY_MS = 10_000
# Exchanges that were under way when a drill ended have mostly left their record by then.
REPORT_AFTER_MS = 5_000

logger = logging.getLogger("fastgate.drills")

_decode_counts = msgspec.json.Decoder(dict[str, Counts]).decode


class Engine(Protocol):
    """What drills ask of `_core.Engine`."""

    def set_drills(self, drills: bytes) -> None: ...
    def drill_counts(self) -> bytes: ...


@dataclass(frozen=True)
class Known:
    """What the configuration in force knows of."""

    providers: Collection[str]
    tenants: Collection[str]
    drills: Collection[Drill] = ()


class Drills:
    """Starts, watches and ends drills. Safe to use from several threads.

    Args:
        engine: Forces the exchanges.
        state_dir: Where drills are kept and records are read.
        known: The configuration in force.
        now_ms: The time of day, Unix milliseconds.
        reports: What makes reports; by default a child process for each.
    """

    def __init__(
        self,
        engine: Engine,
        state_dir: Path,
        known: Known,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        reports: Reports | None = None,
    ) -> None:
        self._engine = engine
        self._folder = Folder(state_dir)
        self._now_ms = now_ms
        self.reports = reports or Reports(state_dir)
        self._lock = threading.RLock()
        self._known = known
        self._running: dict[str, Run] = {}
        self._over: dict[str, Kept] = {}
        self._report_at_ms: dict[str, int] = {}
        self._is_pushed = True
        """Whether the engine knows of every change."""
        self._refused: dict[tuple[str, int], str] = {}
        """Why drills of the configuration that are due have not begun."""
        self._complaints = Complaints(logger)
        """What was wrong at the last look: said once, not at every poll."""
        for kept in self._folder.read_all():
            self._resume(kept)
        self.configure(known)

    def configure(self, known: Known) -> None:
        """Take over a new configuration; the engine, which may have begun anew, is told what runs."""
        with self._lock:
            for drill in known.drills:
                if drill.id not in self._running and (kept := self._folder.read(drill.id)):
                    self._over[drill.id] = kept
            self._known = replace(known, drills=tuple(map(self._placed, known.drills)))
            scheduled = {drill.id: drill for drill in self._known.drills}
            for running in list(self._running.values()):
                drill = running.kept.drill
                if drill.provider not in known.providers:
                    self._end(drill.id, "stopped", f"{drill.provider} is no longer configured")
                elif drill.origin == "configuration" and scheduled.get(drill.id) != drill:
                    self._reconfigure(running, scheduled.get(drill.id))
            if self._running:
                self._is_pushed = False
            self._push()

    def poll(self) -> None:
        """Begin, count, judge and end what is due."""
        with self._lock:
            now_ms = self._now_ms()
            for drill in self._due(now_ms):
                self._begin_scheduled(drill)
            if self._running:
                self._count(now_ms)
            self._push()
            for drill_id, at_ms in list(self._report_at_ms.items()):
                if now_ms >= at_ms and self.reports.make(drill_id, now_ms):
                    del self._report_at_ms[drill_id]
            self.reports.poll()

    def start(self, asked: Mapping[str, Any], *, by: str | None) -> Drill:
        """Begin a drill now; `asked` is as the admin API takes it.

        Raises:
            DrillRefused: It can't be understood, provider or tenant are unknown, it would overlap another
                drill, or it can't be kept.
        """
        with self._lock:
            now_ms = self._now_ms()
            drill = read_drill(asked, self._new_id(asked.get("provider"), now_ms), now_ms, by=by)
            self._check(drill)
            others = [running.kept.drill for running in self._running.values()]
            for other in [*others, *self._to_come(now_ms)]:
                if drill.overlaps(other):
                    raise DrillRefused(
                        f"some of this traffic belongs to another drill at that time: {other}, "
                        f"{moment(other.starts_unix_ms)} to {moment(other.ends_unix_ms)}",
                        status=409,
                        code="drill_overlaps",
                    )
            self._begin(drill)
            return drill

    def stop(self, drill_id: str, by: str) -> dict[str, Any]:
        """End a drill before its time, or keep a scheduled one from beginning; what it has come to.

        Raises:
            DrillRefused: There is none with this id, or it is over.
        """
        with self._lock:
            if drill_id in self._running:
                return shown(self._end(drill_id, "stopped", f"stopped by {by}"))
            scheduled = next((d for d in self._to_come(self._now_ms()) if d.id == drill_id), None)
            if scheduled is not None:
                kept = Kept(
                    drill=scheduled,
                    state="stopped",
                    ended_unix_ms=self._now_ms(),
                    why=f"stopped by {by} before it began",
                    began=False,
                )
                self._put_away(kept)
                return shown(kept)
            kept_over = self._find(drill_id)
            raise DrillRefused(
                f"the drill {drill_id} is over: {kept_over.why}", status=409, code="drill_is_over"
            )

    def all(self) -> list[dict[str, Any]]:
        """Every drill: those that run, those to come, those that are over (the newest hundred)."""
        with self._lock:
            running = [shown(running.kept) for running in self._running.values()]
            to_come = [
                shown_to_come(drill, self._refused.get(_run(drill)))
                for drill in self._to_come(self._now_ms())
            ]
            over = sorted(self._over.values(), key=lambda kept: kept.ended_unix_ms or 0, reverse=True)
            return [*running, *to_come, *map(shown, over)]

    def find(self, drill_id: str) -> dict[str, Any]:
        """One drill that has begun.

        Raises:
            DrillRefused: There is none with this id.
        """
        with self._lock:
            return shown(self._find(drill_id))

    def report(self, drill_id: str) -> bytes | None:
        """A drill's report: as it was written at its end, or else as of now; None while it is being made.

        Ask again until it is there. A report that can't be made raises at the next call.

        Raises:
            DrillRefused: There is no such drill, or it never began.
        """
        with self._lock:
            kept = self._find(drill_id)
            if not kept.began:
                raise DrillRefused(f"the drill {drill_id} never began", status=404, code="no_report")
            return self.reports.get(drill_id, is_over=kept.state != "running", now_ms=self._now_ms())

    def close(self) -> None:
        """Keep what has been counted, and make no report any more."""
        with self._lock:
            for running in self._running.values():
                self._keep(running.kept)
            self.reports.close()

    def _resume(self, kept: Kept) -> None:
        drill = kept.drill
        now_ms = self._now_ms()
        if kept.state != "running":
            self._over[drill.id] = kept
            if kept.began and not self._folder.report(drill.id).exists():
                self._report_at_ms[drill.id] = now_ms
            return
        self._running[drill.id] = Run.of(kept, now_ms, Counts())
        if now_ms < drill.ends_unix_ms:
            logger.info("drill goes on: %s, until %s", drill, moment(drill.ends_unix_ms))
        else:
            self._end(drill.id, "ended", "its time was over while the gateway did not run")

    def _reconfigure(self, running: Run, drill: Drill | None) -> None:
        """A drill of the configuration that is written differently now."""
        old = running.kept.drill
        if drill is None or drill.provider != old.provider or drill.starts_unix_ms != old.starts_unix_ms:
            self._end(old.id, "stopped", "the configuration no longer has it")
            return
        self._running[old.id] = replace(
            running,
            kept=msgspec.structs.replace(running.kept, drill=drill),
            guard=Guard(drill.error_share_permille, drill.minimum_exchanges),
        )
        self._keep(self._running[old.id].kept)
        logger.info("drill changed by the configuration: %s, until %s", drill, moment(drill.ends_unix_ms))

    def _placed(self, drill: Drill) -> Drill:
        """A drill of the configuration in time: one without a beginning began when it was first read."""
        if drill.starts_unix_ms != WHEN_READ:
            return drill
        known = [self._running[drill.id].kept] if drill.id in self._running else []
        known += [self._over[drill.id]] if drill.id in self._over else []
        earlier = [kept.drill.starts_unix_ms for kept in known] + [
            other.starts_unix_ms for other in self._known.drills if other.id == drill.id
        ]
        starts_unix_ms = next((start for start in earlier if start != WHEN_READ), self._now_ms())
        return msgspec.structs.replace(
            drill, starts_unix_ms=starts_unix_ms, ends_unix_ms=starts_unix_ms + drill.ends_unix_ms
        )

    def _to_come(self, now_ms: int) -> list[Drill]:
        """Drills of the configuration that have not begun and can still."""
        return [drill for drill in self._known.drills if now_ms < drill.ends_unix_ms and not self._ran(drill)]

    def _due(self, now_ms: int) -> list[Drill]:
        return [drill for drill in self._to_come(now_ms) if drill.starts_unix_ms <= now_ms]

    def _ran(self, drill: Drill) -> bool:
        """Whether this very drill runs or did: the same id at another time is another one."""
        if drill.id in self._running:
            return True
        kept = self._over.get(drill.id)
        return kept is not None and kept.drill.starts_unix_ms == drill.starts_unix_ms

    def _begin_scheduled(self, drill: Drill) -> None:
        try:
            self._check(drill)
            for running in self._running.values():
                if drill.overlaps(running.kept.drill):
                    raise DrillRefused(f"it overlaps one that runs: {running.kept.drill}")
            self._begin(drill)
            self._refused.pop(_run(drill), None)
        except DrillRefused as error:
            # Tried again at every poll: what is in its way may end.
            if self._refused.get(_run(drill)) != str(error):
                self._refused[_run(drill)] = str(error)
                logger.error("drill of the configuration does not begin: %s; %s", drill, error)

    def _check(self, drill: Drill) -> None:
        check(drill)
        if drill.provider not in self._known.providers:
            message = f"provider: there is no [providers.{drill.provider}]"
            raise DrillRefused(
                hinted(message, drill.provider, self._known.providers), code="unknown_provider"
            )
        for tenant in drill.tenants or ():
            if tenant not in self._known.tenants:
                message = f"tenant: there is no [tenants.{tenant}]"
                raise DrillRefused(hinted(message, tenant, self._known.tenants), code="unknown_tenant")

    def _begin(self, drill: Drill) -> None:
        kept = Kept(drill=drill, state="running")
        try:
            # First on disk: a drill that a restart would forget is none.
            self._folder.write(kept)
            self._folder.report(drill.id).unlink(missing_ok=True)
        except OSError as error:
            raise DrillRefused(
                f"the drill can't be kept in {self._folder.path}: {error.strerror or error}",
                status=500,
                code="state_unwritable",
            ) from None
        try:
            seen = self._counts().get(drill.id, Counts())
            self._running[drill.id] = Run.of(kept, self._now_ms(), seen)
            self._tell_engine()
        except Exception as error:
            self._running.pop(drill.id, None)
            self._folder.remove(drill.id)
            if isinstance(error, ValueError):
                raise DrillRefused(f"the engine refuses it: {error}") from None
            raise
        self._over.pop(drill.id, None)
        by = f", started by {drill.started_by}" if drill.started_by else ""
        logger.info("drill begins: %s, until %s%s", drill, moment(drill.ends_unix_ms), by)

    def _count(self, now_ms: int) -> None:
        try:
            counts = self._counts()
            self._complaints.settle("counting")
        except ValueError as error:
            self._complaints.say("counting", f"drills can't be counted, so no guard watches them: {error}")
            counts = {}
        for drill_id, running in list(self._running.items()):
            before = running.kept.counts
            running.count(counts.get(drill_id, running.seen))
            why = running.guard.judge(running.kept.counts, now_ms)
            if why is not None:
                self._end(drill_id, "tripped", why)
            elif now_ms >= running.kept.drill.ends_unix_ms:
                self._end(drill_id, "ended", "its time was over")
            elif running.kept.counts != before and now_ms >= running.kept_at_ms + KEEP_EVERY_MS:
                running.kept_at_ms = now_ms
                self._keep(running.kept)

    def _counts(self) -> dict[str, Counts]:
        try:
            return _decode_counts(self._engine.drill_counts())
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from None

    def _end(self, drill_id: str, state: State, why: str) -> Kept:
        running = self._running.pop(drill_id)
        self._is_pushed = False
        self._push()
        now_ms = self._now_ms()
        kept = msgspec.structs.replace(
            running.kept,
            state=state,
            ended_unix_ms=min(now_ms, running.kept.drill.ends_unix_ms),
            why=why,
        )
        self._put_away(kept)
        self._report_at_ms[drill_id] = now_ms + REPORT_AFTER_MS
        level = logging.WARNING if state == "tripped" else logging.INFO
        logger.log(level, "drill %s: %s; %s", state, kept.drill, why)
        return kept

    def _new_id(self, provider: object, now_ms: int) -> str:
        base = drill_id = f"{str(provider)[:80]}-{stamp(now_ms)}"
        number = 1
        while drill_id in self._running or self._folder.read(drill_id) is not None:
            number += 1
            drill_id = f"{base}-{number}"
        return drill_id

    def _put_away(self, kept: Kept) -> None:
        """A drill that is over."""
        self._over[kept.drill.id] = kept
        self._keep(kept)
        scheduled = {drill.id for drill in self._known.drills}
        forgettable = [drill_id for drill_id in self._over if drill_id not in scheduled]
        for drill_id in forgettable[:-KEPT_IN_MEMORY]:
            del self._over[drill_id]

    def _keep(self, kept: Kept) -> None:
        try:
            self._folder.write(kept)
        except OSError as error:
            logger.error("the state of drill %s can't be written: %s", kept.drill.id, error)

    def _push(self) -> None:
        """Tell the engine what runs, if it does not know; again at the next poll if that fails."""
        if not self._is_pushed:
            try:
                self._tell_engine()
                self._complaints.settle("telling")
            except ValueError as error:
                self._complaints.say("telling", f"the engine refuses the drills that run: {error}")

    def _tell_engine(self) -> None:
        running = [running.kept.drill.for_engine() for running in self._running.values()]
        self._engine.set_drills(msgspec.json.encode(running))
        self._is_pushed = True

    def _find(self, drill_id: str) -> Kept:
        running = self._running.get(drill_id)
        kept = running.kept if running else self._over.get(drill_id) or self._folder.read(drill_id)
        if kept is None:
            message = hinted(f"there is no drill {drill_id}", drill_id, [*self._running, *self._over])
            raise DrillRefused(message, status=404, code="unknown_drill")
        return kept


def _run(drill: Drill) -> tuple[str, int]:
    """Names one run of a drill of the configuration."""
    return drill.id, drill.starts_unix_ms
