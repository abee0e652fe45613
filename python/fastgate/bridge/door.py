"""One event loop's side of the bridge: hands exchanges over, and events to whoever awaits them.

No task is made per request. A client that leaves shows only to those who ask, so a sweep begins to ask once
an exchange is older than one interval; most are over by then.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from fastgate._core import Bridge

SWEEP_S = 0.025
# A quarter of what the engine lets be on its way: soon enough not to stop a stream, rarely enough to be free.
ACKNOWLEDGE_BYTES = 64 * 1024

ENDED, MORE, BROKEN = 0, 1, 2

# exchange, status (0: no head), headers, body, state
# headers: list[tuple[bytes, bytes]], in RSGI list[tuple[str, str]]
Event = tuple[int, int, Any, bytes, int]

# Returns once the client has left; None where nothing but the waiting task can tell.
Leaving = Callable[[], Awaitable[object]] | None


class Exchange:
    """One request, from its submission until its last event or until its client has left."""

    __slots__ = ("id", "leaving", "pending", "taken_bytes", "waiter", "watch")

    def __init__(self, id: int, leaving: Leaving, waiter: asyncio.Future[Event | None]) -> None:
        self.id = id
        self.leaving = leaving
        self.waiter: asyncio.Future[Event | None] | None = waiter
        self.pending: deque[Event | None] | None = None
        self.watch: asyncio.Task[None] | None = None
        self.taken_bytes = 0

    def tell(self, event: Event | None) -> None:
        """Pass an event on; None when the client has left."""
        waiter = self.waiter
        if waiter is None:
            if self.pending is None:
                self.pending = deque()
            self.pending.append(event)
            return
        self.waiter = None
        if not waiter.done():
            waiter.set_result(event)


class Door:
    """The exchanges of one event loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, bridge: Bridge, *, joins_submissions: bool = False
    ) -> None:
        """`joins_submissions`: wake the engine once for all that a turn of the loop submits.

        That pays where a server's requests reach the loop together from another thread (granian: 10 % of the
        CPU), and costs as much where the loop reads the sockets itself (uvicorn).
        """
        self.loop = loop
        self.bridge = bridge
        self._drain = bridge.drain
        self._create_future = loop.create_future
        self._exchanges: dict[int, Exchange] = {}
        # Ids alone: the exchanges themselves would survive into the garbage collector's older generations.
        self._fresh: list[int] = []
        self._aging: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._joins_submissions = joins_submissions
        self._is_flush_due = False
        self._idle: asyncio.Future[None] | None = None
        loop.add_reader(bridge.fileno(), self._deliver)

    def begin(self, id: int, leaving: Leaving) -> Exchange:
        """Begin the exchange `id`; `await exchange.waiter` gives its first event."""
        if not self._joins_submissions:
            self.bridge.flush()
        elif not self._is_flush_due:
            self._is_flush_due = True
            self.loop.call_soon(self._flush)
        exchange = Exchange(id, leaving, self._create_future())
        self._exchanges[id] = exchange
        self._fresh.append(id)
        if self._timer is None:
            self._timer = self.loop.call_later(SWEEP_S, self._sweep)
        return exchange

    async def next(self, exchange: Exchange, taken: int) -> Event | None:
        """The next event, once the server has taken `taken` bytes more; None when the client has left."""
        exchange.taken_bytes += taken
        if exchange.taken_bytes >= ACKNOWLEDGE_BYTES:
            self.bridge.acknowledge(exchange.id, exchange.taken_bytes)
            exchange.taken_bytes = 0
        pending = exchange.pending
        if not pending:
            waiter: asyncio.Future[Event | None] = self._create_future()
            exchange.waiter = waiter
            return await waiter
        if len(pending) == 1 or None in pending:
            return pending.pop()
        events = [event for event in pending if event is not None]
        pending.clear()
        return (exchange.id, 0, None, b"".join(event[3] for event in events), events[-1][4])

    def end(self, exchange: Exchange, state: int) -> None:
        """Forget the exchange; what has not ended is cancelled, which closes the call to the provider."""
        if self._exchanges.pop(exchange.id, None) is not None and state == MORE:
            self.bridge.cancel(exchange.id)
        if exchange.watch is not None:
            exchange.watch.cancel()
        if self._idle is not None and not self._exchanges and not self._idle.done():
            self._idle.set_result(None)

    async def close(self, grace_s: float) -> bool:
        """Let what is in flight finish within `grace_s`, drop the rest, stop; whether all of it finished."""
        if self._exchanges:
            self._idle = self._create_future()
            await asyncio.wait((self._idle,), timeout=grace_s)
        finished = not self._exchanges
        self.loop.remove_reader(self.bridge.fileno())
        if self._timer is not None:
            self._timer.cancel()
        # Joins threads that have nothing left to wait for.
        self.bridge.close()
        self._deliver()
        return finished

    def _flush(self) -> None:
        self._is_flush_due = False
        self.bridge.flush()

    def _deliver(self) -> None:
        exchanges = self._exchanges
        for event in self._drain():
            exchange = exchanges.get(event[0])
            if exchange is not None:
                exchange.tell(event)

    def _sweep(self) -> None:
        for id in self._aging:
            exchange = self._exchanges.get(id)
            if exchange is not None and exchange.leaving is not None:
                exchange.watch = self.loop.create_task(self._watch(exchange, exchange.leaving))
        if not self._exchanges:
            self._fresh, self._aging, self._timer = [], [], None
            return
        self._aging, self._fresh = self._fresh, []
        self._timer = self.loop.call_later(SWEEP_S, self._sweep)

    async def _watch(self, exchange: Exchange, leaving: Callable[[], Awaitable[object]]) -> None:
        await leaving()
        if self._exchanges.pop(exchange.id, None) is not None:
            self.bridge.cancel(exchange.id)
            exchange.tell(None)
