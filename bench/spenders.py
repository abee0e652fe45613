"""Many clients that spend one budget at once, and do what they are told: `Retry-After`, or stop.

Each keeps a connection and asks again as soon as it is answered. A gateway that goes away is asked again
until it is back. Where the limit is a rate, a deadline ends them.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.http1 import Reply, ReplyReader
from bench.processes import BenchError

GONE_AGAIN_SECONDS = 0.1
READ_BYTES = 65_536


@dataclass(frozen=True)
class Order:
    """What the clients ask for."""

    port: int
    key: str
    models: Sequence[str]
    max_tokens: int
    streams_share: float
    clients: int
    requests_max: int
    """Of all clients together; more mean that the run does not end by itself."""
    seconds: float
    """After which nobody asks again."""
    seed: int


@dataclass
class Told:
    """What became of the requests."""

    answers: Counter[str] = field(default_factory=Counter)
    """By `error.code`, or `answered`, or `gone` where a connection ended before its answer."""
    sent: int = 0
    stopped: int = 0
    """Clients that were told that nothing is left."""


class Spenders:
    """The clients of one run."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.told = Told()
        self._deadline = 0.0

    async def spend(self) -> Told:
        """Ask until all have been told to stop.

        Raises:
            BenchError: An answer that nobody can act on, or too many requests.
        """
        self._deadline = asyncio.get_running_loop().time() + self.order.seconds
        async with asyncio.TaskGroup() as group:
            for number in range(self.order.clients):
                group.create_task(self._client(number))
        return self.told

    async def _client(self, number: int) -> None:
        chance = random.Random(self.order.seed * 1_000_003 + number)
        connection = Connection(self.order.port)
        try:
            while asyncio.get_running_loop().time() < self._deadline:
                wait = await self._ask(connection, chance)
                if wait is None:
                    self.told.stopped += 1
                    return
                await asyncio.sleep(wait)
        finally:
            connection.close()

    async def _ask(self, connection: "Connection", chance: random.Random) -> float | None:
        """Seconds until the next request; None: there is nothing left to ask for."""
        if self.told.sent >= self.order.requests_max:
            raise BenchError(
                f"{self.told.sent} requests, and the budget is not spent: {dict(self.told.answers)}"
            )
        self.told.sent += 1
        try:
            reply = await connection.exchange(encode(self.order, chance))
        except (OSError, EOFError):
            self.told.answers["gone"] += 1
            connection.close()
            return GONE_AGAIN_SECONDS
        if reply.status == 200:
            self.told.answers["answered"] += 1
            return 0.0
        code = str(json.loads(reply.body)["error"]["code"])
        self.told.answers[code] += 1
        if reply.headers.get("x-should-retry") == "false":
            if code == "insufficient_quota":
                return None
            raise BenchError(f"{reply.status} {code}: {reply.body[:300]!r}")
        if "retry-after" not in reply.headers:
            raise BenchError(f"{reply.status} {code} without Retry-After")
        return float(reply.headers["retry-after"])


def encode(order: Order, chance: random.Random) -> bytes:
    """One request, as bytes."""
    fields: dict[str, object] = {
        "model": chance.choice(order.models),
        "messages": [{"role": "user", "content": "word " * chance.randint(1, 12)}],
        "max_tokens": order.max_tokens,
    }
    if chance.random() < order.streams_share:
        fields["stream"] = True
    body = json.dumps(fields).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: application/json\r\nAuthorization: Bearer {order.key}\r\n\r\n"
    )
    return head.encode() + body


class Connection:
    """One keep-alive connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, request: bytes) -> Reply:
        """Send a request, read its reply.

        Raises:
            OSError, EOFError: The other side is not there, or went away.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        reply = ReplyReader()
        while data := await reader.read(READ_BYTES):
            if reply.feed(data):
                return reply.finish()
        raise EOFError("the connection ended before its answer")

    def close(self) -> None:
        """Close the connection; the next exchange opens another one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
