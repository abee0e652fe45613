"""The same application for granian's RSGI: fewer crossings per request than ASGI.

RSGI has no way to cut a connection: a stream that is given up ends as if it were whole. Events say in-band
how they end and a stated length tells a short body, so only a large body without either is collected before
it goes out.
"""

import asyncio
import json
from typing import Protocol

from fastgate._core import Bridge
from fastgate.asgi.application import is_form
from fastgate.bridge.door import ENDED, MORE, Door, Event, Exchange
from fastgate.bridge.doors import Doors
from fastgate.bridge.scheduling import interrupt_nobody
from fastgate.errors import AnswerBroken

NOT_IMPLEMENTED = 501
COLLECTED_BYTES = 64 * 1024 * 1024


class Headers(Protocol):
    """A request's headers."""

    def items(self) -> list[tuple[str, str]]: ...
    def get(self, key: str, default: str | None = None) -> str | None: ...


class Scope(Protocol):
    """What RSGI knows of a request."""

    proto: str
    client: str
    method: str
    path: str
    query_string: str
    authority: str | None

    @property
    def headers(self) -> Headers: ...


class Transport(Protocol):
    """A streamed answer."""

    async def send_bytes(self, data: bytes) -> None: ...


class HttpProtocol(Protocol):
    """A request's connection."""

    async def __call__(self) -> bytes: ...
    def __aiter__(self) -> "HttpProtocol": ...
    async def __anext__(self) -> bytes: ...
    async def client_disconnect(self) -> None: ...
    def close(self, status: int | None) -> tuple[int, bool]: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Transport: ...


class RsgiApplication:
    """fastgate as an RSGI application."""

    __slots__ = ("_doors",)

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start before the first request, unless the loop runs already: then the first request does."""
        if loop.is_running():
            return

        async def start() -> None:
            self._doors.current()

        interrupt_nobody()
        loop.run_until_complete(start())

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stop after the last."""
        if not loop.is_running():
            loop.run_until_complete(self._doors.close())

    async def __rsgi__(self, scope: Scope, protocol: HttpProtocol) -> None:
        """Serve one request."""
        if scope.proto != "http":
            protocol.close(NOT_IMPLEMENTED)
            return
        door = self._doors.current()
        headers = scope.headers
        length = headers.get("content-length")
        body: bytes | None
        try:
            if length is None:
                body = await read_up_to(protocol, limit_of(headers, door.bridge))
            else:
                size = int(length)
                # One that announces too much is not read.
                is_accepted = size <= door.bridge.body_limit_bytes or size <= limit_of(headers, door.bridge)
                body = await protocol() if is_accepted else None
        except RuntimeError as error:
            if is_closed(error):
                return
            raise
        exchange = door.begin(
            door.bridge.submit(
                scope.method,
                scope.path,
                scope.query_string,
                headers.items(),
                body,
                scope.client.rpartition(":")[0].strip("[]"),
                scope.authority,
            ),
            protocol.client_disconnect,
        )
        state = MORE
        try:
            event = await exchange.waiter  # type: ignore[misc]  # never None before the first event
            if event is None:
                return
            _, status, answer_headers, body, state = event
            if status == 0:
                raise AnswerBroken("the exchange ended without an answer")
            if state == ENDED:
                protocol.response_bytes(status, answer_headers, body)
            elif not shows_its_end(answer_headers):
                state = await collect(door, exchange, protocol, event)
            else:
                state = await relay(
                    door, exchange, protocol.response_stream(status, answer_headers), body, state
                )
        finally:
            door.end(exchange, state)


async def relay(door: Door, exchange: Exchange, transport: Transport, body: bytes, state: int) -> int:
    """Send a body that comes in pieces; how it ended, `MORE` if the client left first."""
    while True:
        if body:
            try:
                await transport.send_bytes(body)
            except RuntimeError as error:
                if is_closed(error):
                    return MORE
                raise
        if state == ENDED:
            return state
        if state != MORE:
            raise AnswerBroken("the provider broke off in the middle of an answer")
        event = await door.next(exchange, len(body))
        if event is None:
            return MORE
        body, state = event[3], event[4]


async def collect(door: Door, exchange: Exchange, protocol: HttpProtocol, event: Event) -> int:
    """Answer once the body is whole, or with an error; how it ended, `MORE` if the client left first."""
    _, status, headers, body, state = event
    chunks = [body]
    size = len(body)
    while state == MORE and size <= COLLECTED_BYTES:
        following = await door.next(exchange, len(chunks[-1]))
        if following is None:
            return MORE
        chunks.append(following[3])
        size += len(following[3])
        state = following[4]
    if state == ENDED:
        headers.append(("content-length", str(size)))
        protocol.response_bytes(status, headers, b"".join(chunks))
        return state
    message = "the provider broke off in the middle of an answer"
    if state == MORE:
        message = f"an answer of unknown length is larger than {COLLECTED_BYTES} bytes"
    error = {"message": message, "type": "server_error", "param": None, "code": AnswerBroken.code}
    kept = [pair for pair in headers if pair[0].startswith("x-fastgate-")]
    kept.append(("content-type", "application/json"))
    protocol.response_bytes(AnswerBroken.status, kept, json.dumps({"error": error}).encode())
    return state


def is_closed(error: RuntimeError) -> bool:
    """Whether it says that the client has left."""
    # Only granian raises this, and other servers need not load it. Its stubs forget the documented name.
    from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

    return isinstance(error, ProtocolClosed)


def shows_its_end(headers: list[tuple[str, str]]) -> bool:
    """Whether a client can tell a body that was cut from one that is whole."""
    return any(
        name == "content-length" or (name == "content-type" and value.startswith("text/event-stream"))
        for name, value in headers
    )


def limit_of(headers: Headers, bridge: Bridge) -> int:
    """Bytes that the body of such a request may have."""
    content_type = headers.get("content-type") or ""
    return bridge.form_limit_bytes if is_form(content_type.encode()) else bridge.body_limit_bytes


async def read_up_to(protocol: HttpProtocol, limit_bytes: int) -> bytes:
    """The body, or a little more than the limit of one that is larger: the engine refuses it."""
    chunks = []
    size = 0
    async for chunk in protocol:
        chunks.append(chunk)
        size += len(chunk)
        if size > limit_bytes:
            break
    return b"".join(chunks)
