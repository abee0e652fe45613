"""An event loop on a thread of its own, which runs the application for requests of the admin listener."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from fastgate.admin.answers import error
from fastgate.admin.application import Application
from fastgate.admin.routes import Gateway

if TYPE_CHECKING:
    from fastgate.asgi.types import Message, Scope

# The engine gives up on an answer before.
ANSWER_LIMIT_S = 30.0

logger = logging.getLogger("fastgate.admin")


class AdminRequest(Protocol):
    """What is asked of `_core.AdminRequest`."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> bytes: ...
    @property
    def query(self) -> bytes: ...
    @property
    def headers(self) -> list[tuple[bytes, bytes]]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def client(self) -> tuple[str, int]: ...
    def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None: ...


class Answering:
    """The loop's thread, from the first request to `close`."""

    def __init__(self, gateway: Gateway) -> None:
        self._application = Application(lambda: gateway)
        self._tasks: set[asyncio.Task[None]] = set()
        opened = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live(opened)), name="fastgate-admin-loop", daemon=True
        )
        self._thread.start()
        opened.wait()

    def begin(self, request: AdminRequest, done: Callable[[], None]) -> None:
        """Answer a request; `done` is called when that is over, however it went."""
        self._loop.call_soon_threadsafe(self._spawn, request, done)

    def close(self) -> None:
        """Drop what is being answered, and end."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(ANSWER_LIMIT_S)

    async def _live(self, opened: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        opened.set()
        await self._ended.wait()

    def _spawn(self, request: AdminRequest, done: Callable[[], None]) -> None:
        task = self._loop.create_task(self._answer(request))
        self._tasks.add(task)

        def end(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            done()

        task.add_done_callback(end)

    async def _answer(self, request: AdminRequest) -> None:
        sent: list[Message] = []

        async def receive() -> "Message":
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: "Message") -> None:
            sent.append(message)

        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await self._application(scope_of(request), receive, send)
            head, *chunks = sent
            body = b"".join(chunk.get("body", b"") for chunk in chunks)
            request.respond(head["status"], list(head["headers"]), body)
        except Exception:
            logger.exception("%s %s failed", request.method, request.path.decode("latin-1"))
            # Whoever keeps the exception keeps the request: it would be let go unanswered too late.
            failed = error(500, "internal_error", "this failed; the gateway's log says how")
            with suppress(RuntimeError):
                request.respond(failed.status, list(failed.headers), failed.body)


def scope_of(request: AdminRequest) -> "Scope":
    """A request as ASGI 3 tells it."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(request.path.decode("latin-1")),
        "raw_path": request.path,
        "query_string": request.query,
        "root_path": "",
        "headers": request.headers,
        "client": request.client,
        "server": None,
    }
    return scope
