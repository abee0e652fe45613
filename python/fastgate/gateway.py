"""`Gateway`: the whole engine, embedded. Requests in, answers out, no socket of its own.

The same exchange as behind every other door: keys, routing, accounting. Only bytes move here.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from fastgate.bridge.door import ENDED, MORE, Door, Event, Exchange
from fastgate.bridge.doors import Doors, Source
from fastgate.errors import AnswerBroken

# Who embeds the gateway is on this machine.
CLIENT = "127.0.0.1"
AUTHORITY = "localhost"

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Gateway:
    """A gateway inside this process; several with a `state_dir` each do not know each other.

        async with Gateway("fastgate.toml") as gateway:
            response = await gateway.handle("POST", "/v1/chat/completions", headers, body)

    Args:
        config: A configuration file, the same settings as a mapping, or None for what `fastgate serve` would
            take: the file of `FASTGATE_CONFIG`, else `fastgate.toml`, else none. A changed file takes effect
            within a second; a mapping is read once, its relative paths start at the working directory.
    """

    def __init__(self, config: Source = None) -> None:
        self._doors = Doors(config, text_headers=True, joins_submissions=True)
        self._door: Door | None = None

    async def __aenter__(self) -> Self:
        """Start the engine.

        Raises:
            ConfigError: The configuration is wrong.
            StartError: The state directory is in use.
        """
        self._door = self._doors.current()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let what is in flight finish within `server.shutdown_grace`, drop the rest, stop."""
        if self._door is not None:
            self._door = None
            await self._doors.close()

    async def handle(self, method: str, target: str, headers: Headers = (), body: bytes = b"") -> "Response":
        """Serve one request. Cancelling the task closes the call to the provider.

        Args:
            method: As `"POST"`.
            target: The path, percent-encoded, with its query if any: `"/v1/models"`.
            headers: Names in any case; one of `[[keys]]` comes in them as with every door.
            body: The whole request body.

        Returns:
            The answer, refusals and errors included, as soon as its head is known.

        Raises:
            RuntimeError: The gateway is not open, or was opened by another event loop.
            AnswerBroken: The exchange ended without an answer.
        """
        door = self._door
        if door is None or door.loop is not asyncio.get_running_loop():
            raise RuntimeError("the gateway is not open here: use it within `async with`")
        path, _, query = target.partition("?")
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        exchange = door.begin(
            door.bridge.submit(method, path.encode(), query.encode(), pairs, body, CLIENT, AUTHORITY), None
        )
        state = MORE
        try:
            event = await exchange.waiter  # type: ignore[misc]  # never None before the first event
            if event is not None:
                state = event[4]
            if event is None or event[1] == 0:
                raise AnswerBroken("the exchange ended without an answer")
        except BaseException:
            door.end(exchange, state)
            raise
        return Response(door, exchange, event)


class Response:
    """An answer: its head, and a body that may still be coming.

    Iterate to get the body as it comes, or `read` it whole; each byte is given once. A response that is not
    wanted to its end is closed (`aclose`, or `async with`), which closes the call to the provider; so does
    letting go of it.

    Attributes:
        status: The HTTP status.
        headers: Names in lower case, in the order they came; a name may occur more than once.
    """

    __slots__ = ("_body", "_door", "_exchange", "_state", "_taken_bytes", "headers", "status")

    def __init__(self, door: Door, exchange: Exchange, first: Event) -> None:
        _, self.status, headers, self._body, self._state = first
        self.headers: list[tuple[str, str]] = headers
        self._door = door
        self._exchange: Exchange | None = exchange
        self._taken_bytes = 0
        if self._state != MORE:
            self._end()

    def header(self, name: str, default: str | None = None) -> str | None:
        """The first value of a header, its name in any case."""
        wanted = name.lower()
        return next((value for name, value in self.headers if name == wanted), default)

    async def read(self) -> bytes:
        """The body, or what is left of it, in one piece.

        Raises:
            AnswerBroken: The provider broke off in the middle.
        """
        return b"".join([chunk async for chunk in self])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next piece of the body, as it comes.

        Raises:
            AnswerBroken: The provider broke off in the middle (a stream of events says so in its last one),
                or the response was closed before its end.
        """
        while not self._body:
            if self._exchange is None:
                if self._state != ENDED:
                    raise AnswerBroken("the answer broke off, or was closed before its end")
                raise StopAsyncIteration
            try:
                event = await self._door.next(self._exchange, self._taken_bytes)
            except BaseException:
                self._end()
                raise
            self._taken_bytes = 0
            if event is not None:
                self._body, self._state = event[3], event[4]
            if event is None or self._state != MORE:
                self._end()
        body, self._body = self._body, b""
        self._taken_bytes += len(body)
        return body

    async def aclose(self) -> None:
        """Give up what has not come; closes the call to the provider. Again is no error."""
        self._body = b""
        self._end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._exchange is not None:
            # A collector may run in any thread; a loop that is closed has dropped its exchanges.
            with suppress(RuntimeError):
                self._door.loop.call_soon_threadsafe(self._door.end, self._exchange, self._state)

    def _end(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._door.end(exchange, self._state)
