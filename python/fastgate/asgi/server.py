"""`fastgate serve --door asgi`: granian with the settings that measured best (docs/asgi.md)."""

import os
from pathlib import Path
from typing import Literal

from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings
from granian.server import Server

from fastgate.config import load
from fastgate.config.addresses import split_address
from fastgate.errors import ConfigError

TARGETS = {Interfaces.RSGI: "fastgate.asgi:rsgi_app", Interfaces.ASGI: "fastgate.asgi:app"}

HEADER_TIMEOUT_MS = 10_000
BACKLOG = 4096


def serve_granian(
    file: Path | None, *, listen: str | None = None, interface: Literal["rsgi", "asgi"] = "rsgi"
) -> int:
    """Serve until a signal; the exit status.

    One worker, so that limits are exact and there is one cache; the engine has a thread of its own beside it.

    Args:
        file: The configuration; None to do without.
        listen: Replaces `server.listen`.
        interface: What granian speaks to the application.

    Raises:
        ConfigError: The configuration is wrong.
    """
    server = load(file, os.environ, listen=listen).settings.server
    if file is not None:
        # The worker, another process, reads the same file.
        os.environ["FASTGATE_CONFIG"] = os.path.abspath(file)
    address = split_address(server.listen)
    if address is None:
        raise ConfigError(f"{server.listen} is no host:port", path="server.listen")
    host, port = address
    Server(
        TARGETS[Interfaces(interface)],
        address=host.strip("[]"),
        port=port,
        interface=Interfaces(interface),
        workers=1,
        workers_kill_timeout=max(1, server.shutdown_grace // 1000 + 1),
        # A second runtime thread costs more in hand-overs than it gives.
        runtime_threads=1,
        runtime_mode=RuntimeModes.st,
        loop=Loops.uvloop,
        http=HTTPModes.auto,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        websockets=False,
        backlog=BACKLOG,
        log_access=False,
    ).serve()
    return 0
