"""Keeps the engine's copy of each issuer's keys current.

One thread per issuer, so that one that hangs delays nobody. Keys are fetched at the start, every `refresh`,
and soon after the engine met a token whose key it does not know, which is how a new key arrives before its
time; anybody can send such tokens, so that happens at most every `UNKNOWN_KEY_SPACING_S`. What can't be
fetched leaves the old keys in force.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from fastgate.errors import FastgateError
from fastgate.jwks.source import Source, read_keys

STEP_S = 0.25
FIRST_WAIT_S = 2.0
UNKNOWN_KEY_SPACING_S = 10.0
RETRY_MAX_S = 60.0

logger = logging.getLogger("fastgate.jwks")


class Engine(Protocol):
    """What following keys asks of `_core.Engine`."""

    def set_jwks(self, issuer: str, document: bytes) -> int: ...
    def unknown_token_keys(self) -> int: ...


class Follower:
    """One issuer's keys; `step` does what is due."""

    def __init__(self, source: Source, engine: Engine, read: Callable[[Source], bytes] = read_keys) -> None:
        self.source = source
        self._engine = engine
        self._read = read
        self._next_at: float | None = None
        """None: at once."""
        self._asked_at: float | None = None
        self._failures = 0
        self._unknown_seen = engine.unknown_token_keys()
        self._document = b""
        self.tried = threading.Event()
        """Set once the first fetch is over, however it went."""
        self._stop = threading.Event()

    def step(self, now: float) -> None:
        """Fetch if it is time to. `now`: monotonic, seconds."""
        if self._next_at is not None and now < self._next_at and not self._take_unknown(now):
            return
        try:
            self._accept(self._read(self.source))
            self._failures = 0
            self._next_at = now + self.source.refresh_s
        except (FastgateError, ValueError) as error:
            wait_s = min(2.0**self._failures, RETRY_MAX_S, self.source.refresh_s)
            self._failures += 1
            self._next_at = now + wait_s
            effect = "the keys from before stay" if self._document else "its tokens are refused until then"
            logger.warning(
                "keys of %s: %s; %s, next try in %.0f s", self.source.issuer, error, effect, wait_s
            )
        finally:
            self.tried.set()

    def start(self) -> None:
        """Follow in a thread until `stop`."""
        threading.Thread(target=self._follow, name="fastgate-jwks", daemon=True).start()

    def stop(self) -> None:
        """Fetch no more; a fetch that is on its way changes nothing any more."""
        self._stop.set()

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self.step(time.monotonic())
            except Exception:
                logger.exception("following the keys of %s failed; trying again", self.source.issuer)
            self._stop.wait(STEP_S)

    def _take_unknown(self, now: float) -> bool:
        """Whether a token with an unknown key came, and it is time to ask because of one."""
        unknown = self._engine.unknown_token_keys()
        if unknown == self._unknown_seen:
            return False
        if self._asked_at is not None and now < self._asked_at + UNKNOWN_KEY_SPACING_S:
            return False
        self._unknown_seen = unknown
        self._asked_at = now
        return True

    def _accept(self, document: bytes) -> None:
        if self._stop.is_set() or document == self._document:
            return
        count = self._engine.set_jwks(self.source.issuer, document)
        self._document = document
        logger.info("keys of %s: %s in force", self.source.issuer, count)


class Following:
    """The followers of one gateway."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._followers: list[Follower] = []

    def follow(self, sources: Sequence[Source], wait_s: float = 0) -> None:
        """Follow these and no others; those that stay keep their keys and their pace.

        Returns once every new one has been asked, or after `wait_s`.
        """
        kept = [follower for follower in self._followers if follower.source in sources]
        for follower in self._followers:
            if follower not in kept:
                follower.stop()
        known = [follower.source for follower in kept]
        added = [Follower(source, self._engine) for source in sources if source not in known]
        self._followers = kept + added
        for follower in added:
            follower.start()
        ends = time.monotonic() + wait_s
        for follower in added:
            follower.tried.wait(max(0, ends - time.monotonic()))

    def stop(self) -> None:
        """Follow nobody."""
        self.follow([])
