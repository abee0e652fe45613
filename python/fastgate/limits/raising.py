"""The raises of one gateway: which are in force, which are over.

They end by themselves, in the engine to the millisecond and here at the next poll. A restart goes on with
them; a reload ends those whose limit the configuration no longer has.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fastgate.complaints import Complaints
from fastgate.config.findings import hinted
from fastgate.config.limit_rules import Rule
from fastgate.limits.keeping import Keeper, Kept, Over
from fastgate.limits.raises import Raise, RaiseRefused, read_raise
from fastgate.moments import stamp

AT_ONCE = 1_000
OVER_KEPT = 100

logger = logging.getLogger("fastgate.limits")


class Engine(Protocol):
    """What raises ask of `_core.Engine`."""

    def set_raises(self, raises: bytes) -> None: ...


class Raises:
    """Starts and ends raises. Safe to use from several threads.

    Args:
        engine: Enforces them.
        state_dir: Where they are kept.
        rules: The limits of the configuration in force.
        now_ms: The time of day, Unix milliseconds.
    """

    def __init__(
        self, engine: Engine, state_dir: Path, rules: Sequence[Rule], now_ms: Callable[[], int]
    ) -> None:
        self._engine = engine
        self._keeper = Keeper(state_dir)
        self._now_ms = now_ms
        self._lock = threading.RLock()
        self._kept = self._keeper.read()
        self._is_written = True
        self._is_told = not self._kept.raises
        """Whether the engine knows of every change."""
        self._complaints = Complaints(logger)
        self._rules: Sequence[Rule] = ()
        self.configure(rules)

    def configure(self, rules: Sequence[Rule]) -> None:
        """Take over a new configuration; the engine, which may have begun anew, is told what holds."""
        with self._lock:
            self._rules = tuple(rules)
            names = {rule.name: rule.resource for rule in rules}
            for raised in self._kept.raises:
                if names.get(raised.rule) != raised.resource:
                    self._end(raised, "the configuration no longer has this limit")
            self._is_told = self._is_told and not self._kept.raises
            self.poll()

    def poll(self) -> None:
        """End what is over; write down and tell the engine what it was not told."""
        with self._lock:
            now_ms = self._now_ms()
            for raised in self._kept.raises:
                if raised.ends_unix_ms <= now_ms:
                    self._end(raised, "its time was over")
            if not self._is_written:
                try:
                    self._keeper.write(self._kept)
                    self._is_written = True
                    self._complaints.settle("writing")
                except OSError as error:
                    self._complaints.say("writing", f"raises of limits can't be written: {error}")
            if not self._is_told:
                try:
                    self._tell(self._kept.raises)
                    self._is_told = True
                    self._complaints.settle("telling")
                except ValueError as error:
                    self._complaints.say("telling", f"the engine refuses the raises of limits: {error}")

    def start(self, asked: Mapping[str, Any], *, by: str | None) -> Raise:
        """Raise a limit now; another raise of the same count ends. `asked` is as the admin API takes it.

        Raises:
            RaiseRefused: It can't be understood, the limit is unknown, it is no raise, there are too many, or
                it can't be kept.
        """
        with self._lock:
            now_ms = self._now_ms()
            raised = read_raise(asked, self._rules, self._new_id(now_ms), now_ms, by=by)
            kept = self._kept
            for other in kept.raises:
                if (other.rule, other.identity) == (raised.rule, raised.identity):
                    kept = _ended(kept, Over(other, now_ms, f"{raised.id} took its place"))
            if len(kept.raises) >= AT_ONCE:
                raise RaiseRefused(f"there are {AT_ONCE} raises already", status=409, code="too_many_raises")
            kept = msgspec.structs.replace(kept, raises=(*kept.raises, raised))
            try:
                # Before it holds: a crash must not take back what somebody was granted.
                self._keeper.write(kept)
                self._tell(kept.raises)
            except (OSError, ValueError) as error:
                self._is_written = self._is_told = False
                self.poll()
                message = f"it can't be put in force: {error}"
                raise RaiseRefused(message, status=500, code="raise_failed") from None
            self._kept = kept
            self._is_written = self._is_told = True
            logger.info("limit raised: %s", raised)
            return raised

    def stop(self, raise_id: str, by: str) -> dict[str, Any]:
        """End a raise before its time; what it was.

        Raises:
            RaiseRefused: There is none with this id, or it is over.
        """
        with self._lock:
            raised = next((one for one in self._kept.raises if one.id == raise_id), None)
            if raised is None:
                over = next((one for one in self._kept.over if one.raised.id == raise_id), None)
                if over is not None:
                    raise RaiseRefused(
                        f"the raise {raise_id} is over: {over.why}", status=409, code="raise_is_over"
                    )
                ids = [one.id for one in self._kept.raises]
                message = hinted(f"there is no raise {raise_id}", raise_id, ids)
                raise RaiseRefused(message, status=404, code="unknown_raise")
            over = self._end(raised, f"ended by {by}")
            self.poll()
            return _shown(over)

    def all(self) -> list[dict[str, Any]]:
        """Every raise: those in force, then those that are over, the newest first."""
        with self._lock:
            in_force = [{**raised.shown(), "state": "in force"} for raised in self._kept.raises]
            return in_force + [_shown(over) for over in reversed(self._kept.over)]

    def _end(self, raised: Raise, why: str) -> Over:
        over = Over(raised, min(self._now_ms(), raised.ends_unix_ms), why)
        self._kept = _ended(self._kept, over)
        self._is_written = self._is_told = False
        logger.info("raise of a limit over: %s; %s", raised, why)
        return over

    def _tell(self, raises: Sequence[Raise]) -> None:
        self._engine.set_raises(msgspec.json.encode([raised.for_engine() for raised in raises]))

    def _new_id(self, now_ms: int) -> str:
        base = raise_id = f"raise-{stamp(now_ms)}"
        known = {one.id for one in self._kept.raises} | {one.raised.id for one in self._kept.over}
        number = 1
        while raise_id in known:
            number += 1
            raise_id = f"{base}-{number}"
        return raise_id


def _ended(kept: Kept, over: Over) -> Kept:
    return Kept(
        raises=tuple(one for one in kept.raises if one is not over.raised),
        over=(*kept.over, over)[-OVER_KEPT:],
    )


def _shown(over: Over) -> dict[str, Any]:
    return {**over.raised.shown(), "state": "over", "ended_unix_ms": over.ended_unix_ms, "why": over.why}
