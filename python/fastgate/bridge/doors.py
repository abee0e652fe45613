"""Which engine an application or `Gateway` speaks to, and one `Door` per event loop.

The engine starts with the first loop that needs it and stops with the last one that says goodbye. A loop that
was closed without a word (tests, reloads) is noticed when the next one comes.
"""

import asyncio
import logging
import multiprocessing
import os
import threading
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, cast

from fastgate._core import Bridge, Engine
from fastgate.bridge.door import Door
from fastgate.bridge.scheduling import interrupting_nobody
from fastgate.config import locate
from fastgate.control import ControlPlane
from fastgate.errors import StateInUse

GRACE_S = 30.0

# A file, the same settings as plain values, or None for the file that `fastgate serve` would take.
Source: TypeAlias = str | PathLike[str] | Mapping[str, Any] | None

logger = logging.getLogger("fastgate.bridge")


class Doors:
    """The doors of one application or `Gateway`."""

    def __init__(
        self,
        config: Source = None,
        engine: Engine | None = None,
        *,
        text_headers: bool = False,
        joins_submissions: bool = False,
    ) -> None:
        self._config = config
        self._engine = engine
        self._text_headers = text_headers
        self._joins_submissions = joins_submissions
        self._control: ControlPlane | None = None
        self._stop_watching = threading.Event()
        self._starting = threading.Lock()
        self._doors: dict[asyncio.AbstractEventLoop, Door] = {}

    def current(self) -> Door:
        """The door of the running loop; the first call starts the engine.

        Raises:
            ConfigError: The configuration is wrong.
            StartError: The state directory is in use.
        """
        loop = asyncio.get_running_loop()
        return self._doors.get(loop) or self._open(loop)

    def _open(self, loop: asyncio.AbstractEventLoop) -> Door:
        with self._starting:
            for other in [other for other in self._doors if other.is_closed()]:
                self._doors.pop(other).bridge.close()
            engine = self._engine or self._start()
            with interrupting_nobody():
                bridge = Bridge(engine, text_headers=self._text_headers)
            door = self._doors[loop] = Door(loop, bridge, joins_submissions=self._joins_submissions)
            return door

    def _start(self) -> Engine:
        if self._control is None:
            self._control = start_control(self._config)
            self._stop_watching.clear()
            watch = threading.Thread(
                target=self._control.watch, args=(self._stop_watching,), name="fastgate-watch", daemon=True
            )
            watch.start()
        return cast(Engine, self._control.engine)

    async def close(self) -> None:
        """Close the running loop's door, and stop the engine if it was the last."""
        door = self._doors.pop(asyncio.get_running_loop(), None)
        control = self._control
        grace_s = control.config.settings.server.shutdown_grace / 1000 if control else GRACE_S
        if door is not None and not await door.close(grace_s):
            logger.warning("stopped with requests still in flight")
        with self._starting:
            if self._doors or self._control is None:
                return
            control, self._control = self._control, None
            self._stop_watching.set()
            control.close(0)


def start_control(config: Source) -> ControlPlane:
    """The control plane; of several workers of one server the first holds the state directory's lock.

    Raises:
        ConfigError: The configuration is wrong.
        StartError: Another gateway, no sibling, holds the state directory.
    """
    if isinstance(config, Mapping):
        return ControlPlane(None, os.environ, values=config)
    file = locate(None if config is None else os.fspath(config), os.environ)
    try:
        return ControlPlane(file, os.environ)
    except StateInUse as error:
        if not is_sibling(error.process):
            raise
        logger.info("worker of process %s shares its state directory", error.process)
        return ControlPlane(file, os.environ, lock=False)


def is_sibling(process: int | None) -> bool:
    """Whether `process` is another worker of the server that made this one."""
    if process in (None, os.getpid()) or multiprocessing.parent_process() is None:
        return False
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    # The name, in brackets, may hold anything; state and parent follow it.
    return int(status.rpartition(")")[2].split()[1]) == os.getppid()
