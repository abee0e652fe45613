"""The ASGI application: reads a request, sees who asks, hands it to its route, sends the answer."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from fastgate.admin.access import Request, identify, require, tokens_of
from fastgate.admin.answers import ALWAYS, Answer, Refused, error
from fastgate.admin.routes import Call, Gateway, find
from fastgate.control import ControlPlane
from fastgate.errors import FastgateError

if TYPE_CHECKING:
    from fastgate.asgi.types import Receive, Scope, Send

BODY_BYTES = 1_000_000

logger = logging.getLogger("fastgate.admin")


class Disconnected(Exception):
    """The client left before its request had come."""


class Application:
    """The admin API of the gateway that `gateway` gives."""

    def __init__(self, gateway: Callable[[], Gateway | None]) -> None:
        self._gateway = gateway

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http":
            # Servers take this as a no to lifespan and WebSocket.
            raise RuntimeError(f"no such ASGI scope is served: {scope['type']}")
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        headers = [*answer.headers, *ALWAYS, (b"content-length", str(len(answer.body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: "Scope", receive: "Receive") -> Answer:
        try:
            return await self._handle(scope, receive)
        except Refused as refused:
            return error(refused.status, refused.code, str(refused), refused.headers)
        except FastgateError as failed:
            return error(failed.status, failed.code, str(failed))
        except Disconnected:
            raise
        except Exception:
            logger.exception("%s %s failed", scope["method"], _path(scope))
            return error(500, "internal_error", "this failed; the gateway's log says how")

    async def _handle(self, scope: "Scope", receive: "Receive") -> Answer:
        gateway = self._gateway()
        if gateway is None:
            raise Refused(503, "no_gateway", "no gateway runs in this process")
        client = scope.get("client")
        server = scope.get("server")
        # A Unix socket's client has no address: it is on this machine.
        unix_client = "127.0.0.1" if server and server[1] is None else None
        request = Request(
            method=scope["method"],
            path=_path(scope),
            headers=tuple(scope["headers"]),
            client=client[0] if client else unix_client,
        )
        tokens = tokens_of(gateway.config.settings)
        caller = identify(request, tokens, gateway.admin_address)
        route, parts = find(request.method, request.path)
        require(caller, route.role, tokens)
        body = await _read(receive)
        request = Request(
            request.method, request.path, request.headers, request.client, body, scope["query_string"]
        )
        return await route.handler(Call(gateway, request, caller, parts))


async def _read(receive: "Receive") -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY_BYTES:
            raise Refused(413, "request_too_large", f"a body may have {BODY_BYTES} bytes")
        if not message.get("more_body"):
            return b"".join(chunks)


def _path(scope: "Scope") -> str:
    """The path below `root_path`, percent-encoded."""
    raw: bytes | None = scope.get("raw_path")
    path = raw.partition(b"?")[0].decode("latin-1") if raw else quote(scope["path"], safe="/:@!$&'()*+,;=~")
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and (path + "/").startswith(root + "/") else path


app = Application(ControlPlane.of_this_process)
