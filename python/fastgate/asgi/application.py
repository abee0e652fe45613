"""The ASGI 3 application: scopes in, messages out, nothing decided.

Every answer, refusals included, is the engine's. One that breaks off raises, so that the server cuts the
client's connection.
"""

from fastgate._core import Bridge
from fastgate.asgi.types import Message, Receive, Scope, Send
from fastgate.bridge.door import ENDED, MORE, Door, Exchange
from fastgate.bridge.doors import Doors
from fastgate.bridge.scheduling import interrupting_nobody
from fastgate.errors import AnswerBroken, FastgateError

UNSUPPORTED_DATA = 1003
# A Unix socket's client has no address: it is on this machine.
UNIX_CLIENT = "127.0.0.1"


class Application:
    """fastgate as an ASGI application."""

    __slots__ = ("_doors",)

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        door = self._doors.current()
        message = await receive()
        read_whole = True
        if message.get("more_body"):
            message, read_whole = await read_rest(message, receive, door.bridge, scope)
        if message["type"] == "http.disconnect":
            return
        client = scope.get("client")
        exchange = door.begin(
            door.bridge.submit(
                scope["method"],
                target_path(scope) if scope.get("root_path") else scope.get("raw_path") or scope["path"],
                scope["query_string"],
                scope["headers"],
                message.get("body", b""),
                client[0] if client else unix_client(scope),
            ),
            receive,
        )
        state = MORE
        try:
            event = await exchange.waiter  # type: ignore[misc]  # never None before the first event
            if event is None:
                return
            _, status, headers, body, state = event
            if status == 0:
                raise AnswerBroken("the exchange ended without an answer")
            if not read_whole and scope["http_version"].startswith("1"):
                # Makes the server close instead of reading what nobody wants.
                headers.append((b"connection", b"close"))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            if state == ENDED:
                await send({"type": "http.response.body", "body": body})
            else:
                state = await relay(door, exchange, send, body, state)
        finally:
            door.end(exchange, state)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": UNSUPPORTED_DATA, "reason": "HTTP only"})
        elif scope["type"] == "lifespan":
            # The loop's thread belongs to this application alone: to one that is mounted no lifespan comes.
            with interrupting_nobody():
                await self._live(receive, send)
        else:
            raise RuntimeError(f"no such ASGI scope is served: {scope['type']}")

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "lifespan.startup":
            try:
                self._doors.current()
            except FastgateError as error:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        await self._doors.close()
        await send({"type": "lifespan.shutdown.complete"})


async def relay(door: Door, exchange: Exchange, send: Send, body: bytes, state: int) -> int:
    """Send a body that comes in pieces; how it ended, `MORE` if the client left first."""
    while state == MORE:
        if body:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        event = await door.next(exchange, len(body))
        if event is None:
            return MORE
        body, state = event[3], event[4]
    if state != ENDED:
        if body:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        raise AnswerBroken("the provider broke off in the middle of an answer")
    await send({"type": "http.response.body", "body": body})
    return state


async def read_rest(message: Message, receive: Receive, bridge: Bridge, scope: Scope) -> tuple[Message, bool]:
    """The body in one message, and whether that is all of it.

    Reading stops beyond the limit, and does not begin where more is announced: then the body is None.
    Refusing it is for the engine.
    """
    length = content_type = b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = value
        elif name == b"content-type":
            content_type = value
    limit_bytes = bridge.form_limit_bytes if is_form(content_type) else bridge.body_limit_bytes
    if length.isdigit() and int(length[:20]) > limit_bytes:
        return {"type": "http.request", "body": None}, False
    chunks = [message.get("body", b"")]
    size = len(chunks[0])
    while message.get("more_body") and size <= limit_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            return message, False
        chunk = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
    return {"type": "http.request", "body": b"".join(chunks)}, not message.get("more_body")


def is_form(content_type: bytes) -> bool:
    """Whether a body is a multipart form, which may be larger than others."""
    return content_type[:10].lower() == b"multipart/"


def target_path(scope: Scope) -> bytes | str:
    """The path below `root_path`. Servers and routers leave the prefix in `path`."""
    root: str = scope["root_path"].rstrip("/")
    raw: bytes | None = scope.get("raw_path")
    if raw is not None:
        prefix = root.encode()
        if not (raw + b"/").startswith(prefix + b"/"):
            # The prefix is written in another way there, or was taken off already.
            return stripped(scope["path"], root) if raw != scope["path"].encode() else raw
        return raw[len(prefix) :] or b"/"
    return stripped(scope["path"], root)


def stripped(path: str, root: str) -> str:
    """`path` without `root`, if it begins with it."""
    return path[len(root) :] or "/" if (path + "/").startswith(root + "/") else path


def unix_client(scope: Scope) -> str | None:
    """Whom a client without an address counts as: a server that listens on a path has no port, says ASGI."""
    server = scope.get("server")
    return UNIX_CLIENT if server and server[1] is None else None
