"""A closed loop of whole requests whose every byte is checked: N connections, an exact total, no retries.

Used where wrk can't serve: verification passes, streams, soak. A connection sends its next request when its
reply is whole; a failed one is counted, never repeated, so what was sent can be compared with what the
upstream received.
"""

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.http1 import Reply, ReplyReader
from bench.processes import BenchError

Check = Callable[[Reply], str | None]


@dataclass
class LoopResult:
    """What a loop did: `right + wrong + failed == sent`; times in ns, one entry per whole reply."""

    sent: int = 0
    right: int = 0
    wrong: int = 0
    failed: int = 0
    problem: str | None = None
    first_byte_ns: list[int] = field(default_factory=list)
    whole_ns: list[int] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """Requests that did not bring the right reply."""
        return self.wrong + self.failed


class _Client:
    """One connection of the loop and the reply it waits for."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = self._connect()
        self.reader = ReplyReader()
        self.sent_ns = 0
        self.first_ns = 0

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        return connection

    def send(self, request: bytes) -> None:
        self.reader = ReplyReader()
        self.first_ns = 0
        self.sent_ns = time.monotonic_ns()
        if self.socket.send(request) != len(request):
            raise BenchError("the socket's send buffer did not take one request")

    def reconnect(self) -> None:
        self.socket.close()
        self.socket = self._connect()


def closed_loop(
    port: int, request: bytes, *, connections: int, total: int, check: Check, idle_seconds: float = 30.0
) -> LoopResult:
    """Send `total` requests over `connections`, check every reply.

    Raises:
        BenchError: when nothing at all arrives for `idle_seconds`.
    """
    result = LoopResult()
    with selectors.DefaultSelector() as selector:
        clients = [_Client(port) for _ in range(min(connections, total))]
        try:
            for client in clients:
                selector.register(client.socket, selectors.EVENT_READ, client)
                client.send(request)
                result.sent += 1
            waiting = len(clients)
            while waiting:
                ready = selector.select(idle_seconds)
                if not ready:
                    raise BenchError(
                        f"{waiting} replies outstanding and nothing received for {idle_seconds} s"
                    )
                for key, _ in ready:
                    client = key.data
                    if not _receive(client, selector, result, check):
                        continue
                    if result.sent < total:
                        client.send(request)
                        result.sent += 1
                    else:
                        waiting -= 1
        finally:
            for client in clients:
                client.socket.close()
    return result


def _receive(client: _Client, selector: selectors.BaseSelector, result: LoopResult, check: Check) -> bool:
    """Read what is there; True when the client's reply is over, for good or bad."""
    try:
        data = client.socket.recv(262_144)
    except BlockingIOError:
        return False
    except OSError:
        data = b""
    now = time.monotonic_ns()
    if data and not client.first_ns:
        client.first_ns = now
    whole = client.reader.feed(data) if data else False
    if data and not whole:
        return False
    try:
        problem = check(client.reader.finish())
    except (BenchError, ValueError) as error:
        result.failed += 1
        result.problem = result.problem or str(error)
    else:
        if problem is None:
            result.right += 1
            result.whole_ns.append(now - client.sent_ns)
            result.first_byte_ns.append(client.first_ns - client.sent_ns)
        else:
            result.wrong += 1
            result.problem = result.problem or problem
    if not whole:
        selector.unregister(client.socket)
        client.reconnect()
        selector.register(client.socket, selectors.EVENT_READ, client)
    return True
