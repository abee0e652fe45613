"""An application that has the gateway under a prefix, gives it no lifespan, and can pretend to be elsewhere.

`uvicorn tests.blackbox.mounted:app`, with FASTGATE_CONFIG.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tests.blackbox.gateway import MOUNT_PREFIX as PREFIX

from fastgate.asgi import create_app

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FAR_AWAY = ("203.0.113.9", 40_000)

gateway = create_app(os.environ["FASTGATE_CONFIG"])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand `/ai/...` on as the ASGI specification says: the path whole, the prefix in `root_path`."""
    if scope["type"] != "http":
        return
    if not scope["path"].startswith(f"{PREFIX}/"):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"the application's own page"})
        return
    child = {**scope, "root_path": PREFIX}
    if any(name == b"x-test-far-away" for name, _ in scope["headers"]):
        child["client"] = FAR_AWAY
    if any(name == b"x-test-no-client" for name, _ in scope["headers"]):
        child["client"] = None
    await gateway(child, receive, send)
