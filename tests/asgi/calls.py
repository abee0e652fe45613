"""Calling an ASGI application by hand: a scope, a script of what the client does, a record of what it got."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastgate.asgi import Application

CHAT = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}]}).encode()
STREAM = CHAT[:-1] + b', "stream": true}'

CONFIG = """
[server]
state_dir = "state"
admin = "off"
{server}
[providers.mock]
dialect = "openai"
base_url = "http://{provider}/v1"
api_key = "sk-provider"
[deployments.d]
provider = "mock"
model = "m"
"""


def write_config(folder: Path, provider: str, server: str = "") -> Path:
    file = folder / "fastgate.toml"
    file.write_text(CONFIG.format(provider=provider, server=server), encoding="utf-8")
    return file


def scope(**parts: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 8000),
    }
    return {**base, **parts}


@dataclass
class Client:
    """One request's other end. Leaves when `leaving` is set; every `send` takes a permit of `gate`."""

    bodies: list[bytes] = field(default_factory=lambda: [CHAT])
    gate: asyncio.Semaphore | None = None
    sent: list[dict[str, Any]] = field(default_factory=list)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    received: asyncio.Event = field(default_factory=asyncio.Event)
    received_calls: int = 0

    def __post_init__(self) -> None:
        self._rest: Iterator[bytes] = iter(self.bodies)
        self._left = len(self.bodies)

    async def receive(self) -> dict[str, Any]:
        self.received_calls += 1
        if self._left:
            self._left -= 1
            return {"type": "http.request", "body": next(self._rest), "more_body": self._left > 0}
        await self.leaving.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.gate is not None:
            await self.gate.acquire()
        self.sent.append(message)
        if message.get("body"):
            self.received.set()

    async def call(self, app: Application, **parts: Any) -> "Client":
        await app(scope(**parts), self.receive, self.send)
        return self

    @property
    def status(self) -> int:
        assert self.sent[0]["type"] == "http.response.start"
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])

    @property
    def is_whole(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get("more_body", False) and len(self.sent) > 1

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


class Lifespan:
    """Runs an application's lifespan around a test."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def say(self, type: str) -> dict[str, Any]:
        await self._to_app.put({"type": f"lifespan.{type}"})
        return await self._from_app.get()

    async def __aenter__(self) -> dict[str, Any]:
        running = self._app({"type": "lifespan"}, self._to_app.get, self._from_app.put)  # type: ignore[arg-type]
        self._task = asyncio.ensure_future(running)
        return await self.say("startup")

    async def __aexit__(self, *_: object) -> None:
        if not self._task.done():
            assert (await self.say("shutdown"))["type"] == "lifespan.shutdown.complete"
        await self._task
