"""Tells a URL what happens to limits, as Standard Webhooks say (standardwebhooks.com, version 1.0.0).

Deliveries are made by a thread of their own: who offers an event never waits. The queue is bounded; what
finds no room is dropped and counted. A delivery that fails is tried again with the same id, so a receiver
sees an event at least once and can tell repeats. Redirects are not followed.
"""

import base64
import hashlib
import hmac
import logging
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from fastgate.moments import rfc3339

QUEUE_LENGTH = 1_000
BATCH_LENGTH = 100
TRIES = 12
"""The last one some ten minutes after the first."""
WAIT_FIRST_S = 1.0
WAIT_MAX_S = 120.0
TIMEOUT_S = 10.0
TYPE = "limits.reached"
# What a receiver may get over; everything else would be refused again.
_PASSING = frozenset((408, 425, 429))

logger = logging.getLogger("fastgate.limits")


class Target(NamedTuple):
    """Where deliveries go, and what signs them."""

    url: str
    secret: str | None

    def __repr__(self) -> str:
        return f"Target({self.url!r})"


class Delivery(msgspec.Struct, frozen=True):
    """Events on their way."""

    id: str
    body: bytes
    events: int
    tries: int = 0


# Sends a body with headers to a URL; the status of the answer. OSError if there is none.
Send = Callable[[str, dict[str, str], bytes], int]


class Webhook:
    """One gateway's deliveries; `step` does what is due.

    Args:
        target: Where they go.
        send: How.
        now_s: The monotonic clock, seconds.
        unix_s: The time of day, Unix seconds.
        jitter: A random number from 0 to 1.
    """

    def __init__(
        self,
        target: Target,
        *,
        send: Send | None = None,
        now_s: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.target = target
        self.dropped = 0
        """Events that found no room, or that nobody took."""
        self._send = send or post
        self._now_s = now_s
        self._unix_s = unix_s
        self._jitter = jitter
        self._queue: deque[dict[str, Any]] = deque()
        self._lock = threading.Lock()
        self._waiting: Delivery | None = None
        self._due_s = 0.0
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def offer(self, event: dict[str, Any]) -> None:
        """Have an event delivered, if there is room."""
        with self._lock:
            if len(self._queue) >= QUEUE_LENGTH:
                self.dropped += 1
                if self.dropped == 1 or self.dropped % QUEUE_LENGTH == 0:
                    logger.warning("%s is told too slowly: %s events dropped", self.target.url, self.dropped)
                return
            self._queue.append(event)
        self._wake.set()

    def step(self) -> float | None:
        """Make the delivery that is due, if any; seconds until the next one is, None if nothing waits."""
        now_s = self._now_s()
        if self._waiting is None:
            self._waiting = self._next()
            if self._waiting is None:
                return None
            self._due_s = now_s
        if now_s < self._due_s:
            return self._due_s - now_s
        self._waiting = self._try(self._waiting, now_s)
        if self._waiting is not None:
            return self._due_s - now_s
        with self._lock:
            return 0.0 if self._queue else None

    def start(self) -> None:
        """Deliver in a thread until `stop`."""
        self._thread = threading.Thread(target=self._deliver, name="fastgate-webhook", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver no more; a delivery that is on its way is not waited for."""
        self._stopped.set()
        self._wake.set()
        left = len(self._queue) + (self._waiting.events if self._waiting else 0)
        if left:
            logger.warning("%s events for %s were not delivered", left, self.target.url)

    def _deliver(self) -> None:
        while not self._stopped.is_set():
            wait_s: float | None = WAIT_MAX_S
            try:
                wait_s = self.step()
            except Exception:
                logger.exception("telling %s failed; trying again", self.target.url)
            if self._waiting is not None:
                # New events do not hurry a delivery that waits to be repeated.
                self._stopped.wait(wait_s)
            else:
                self._wake.wait(wait_s)
                self._wake.clear()

    def _next(self) -> Delivery | None:
        with self._lock:
            events = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_LENGTH))]
        if not events:
            return None
        made = rfc3339(int(self._unix_s()))
        body = msgspec.json.encode({"type": TYPE, "timestamp": made, "data": {"events": events}})
        return Delivery(f"msg_{uuid.uuid4().hex}", body, len(events))

    def _try(self, delivery: Delivery, now_s: float) -> Delivery | None:
        """Deliver; what is left to do."""
        try:
            sent = headers(delivery, self.target.secret, int(self._unix_s()))
            status = self._send(self.target.url, sent, delivery.body)
            said = f"answered {status}"
        except OSError as error:
            status, said = 0, str(error) or type(error).__name__
        if 200 <= status < 300:
            return None
        tries = delivery.tries + 1
        may_pass = status in _PASSING or status >= 500 or status == 0
        if not may_pass or tries >= TRIES:
            self.dropped += delivery.events
            logger.error(
                "%s %s; %s events are dropped after %s tries", self.target.url, said, delivery.events, tries
            )
            return None
        # Half of it is left to chance, so that many gateways do not come back at once.
        wait_s = min(WAIT_FIRST_S * 2.0 ** (tries - 1), WAIT_MAX_S) * (0.5 + self._jitter() / 2)
        self._due_s = now_s + wait_s
        if tries == 1:
            logger.warning("%s %s; trying again", self.target.url, said)
        return msgspec.structs.replace(delivery, tries=tries)


def headers(delivery: Delivery, secret: str | None, unix_s: int) -> dict[str, str]:
    """The headers of a delivery; signed where there is a secret."""
    found = {
        "content-type": "application/json",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(unix_s),
    }
    if secret is not None:
        signed = b".".join((delivery.id.encode(), str(unix_s).encode(), delivery.body))
        digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
        found["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
    return found


def _key(secret: str) -> bytes:
    """The key that a secret stands for: base64 behind `whsec_`, or else its own bytes."""
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            pass
    return secret.encode()


def post(url: str, sent: dict[str, str], body: bytes) -> int:
    """Send a body; the answer's status. OSError if there is none."""
    # HTTP and TLS cost memory that a gateway without a webhook does not need.
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        """A redirect could lead from TLS to plain HTTP, or into the local network."""

        def redirect_request(self, *_: Any) -> None:
            return None

    request = urllib.request.Request(url, data=body, headers=sent, method="POST")  # noqa: S310 - checked
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=TIMEOUT_S) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except HTTPException as error:
        # Its text may be the receiver's.
        raise OSError(f"is not answered in HTTP ({type(error).__name__})") from None
