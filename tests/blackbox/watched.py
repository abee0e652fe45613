"""The gateway and, under `/ops`, what its operators see of it: `uvicorn tests.blackbox.watched:app`.

So metrics of a gateway behind an ASGI server can be read as those of the native door.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import fastgate.admin
from fastgate.asgi import create_app

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/ops"

gateway = create_app(os.environ["FASTGATE_CONFIG"])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand `/ops/...` to the admin application, the path whole, and all else to the gateway."""
    if scope["type"] == "http" and scope["path"].startswith(f"{PREFIX}/"):
        await fastgate.admin.app({**scope, "root_path": PREFIX}, receive, send)
    else:
        await gateway(scope, receive, send)
