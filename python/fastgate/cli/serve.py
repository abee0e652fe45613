"""`fastgate serve`: run the gateway until a signal ends it.

SIGTERM and SIGINT stop it gracefully: no new connections, what is in flight has `server.shutdown_grace`. A
second one stops it at once. SIGHUP reads the configuration again.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import Self

from fastgate.admin.thread import AdminThread
from fastgate.config import locate
from fastgate.control import POLL_S, ControlPlane

logger = logging.getLogger("fastgate.serve")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="configuration (default: fastgate.toml, if any)"
    )
    parser.add_argument("--door", choices=("native", "asgi"), default="native", help="default: %(default)s")
    parser.add_argument("--listen", metavar="ADDR", help="host:port in place of server.listen")


def run(arguments: argparse.Namespace) -> int:
    """Serve until stopped; 0 if everything in flight could finish."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    file = locate(arguments.config, os.environ)
    if arguments.door == "asgi":
        from fastgate.asgi.server import serve_granian

        return serve_granian(file, listen=arguments.listen)
    return serve(ControlPlane(file, os.environ, listen=arguments.listen))


def serve(control: ControlPlane) -> int:
    """The native door, from the main thread: signals, the file's changes, the end."""
    signals = Signals()
    answering: AdminThread | None = None
    try:
        with signals:
            address, admin = control.serve()
            if admin is not None:
                answering = AdminThread(control)
            from fastgate.cli.banner import banner

            _say(banner(control.config, address, admin))
            while not signals.stop.wait(POLL_S):
                if signals.take_reload():
                    control.reload()
                else:
                    control.poll()
            logger.info("stopping; a second signal stops at once")
            finished = _close(control)
    finally:
        control.close(0)
        if answering is not None:
            answering.close()
    if not finished:
        logger.warning("stopped with requests still in flight")
    return 0 if finished else 1


def _say(text: str) -> None:
    """Print it; a gateway goes on where nobody can read that."""
    try:
        print(text, flush=True)
    except OSError as error:
        logger.warning("standard output can't be written: %s", error.strerror)
        # What is left in its buffer would be tried again at the end, and fail the exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _close(control: ControlPlane) -> bool:
    """Close in a thread of its own: no signal is handled while the main thread waits in the engine."""
    outcome: list[bool] = []
    closing = threading.Thread(target=lambda: outcome.append(control.close()), name="closing")
    closing.start()
    while closing.is_alive():
        closing.join(POLL_S)
    return outcome == [True]


class Signals:
    """SIGTERM, SIGINT and SIGHUP as flags, while entered; the second stop signal ends the process."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._reload = False
        self._previous: dict[int, object] = {}

    def take_reload(self) -> bool:
        """Whether SIGHUP came since the last call."""
        asked, self._reload = self._reload, False
        return asked

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)  # type: ignore[arg-type]  # what signal.signal gave us

    def _handle(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        elif self.stop.is_set():
            # The grace is running inside the engine: nothing in Python is left to wait for.
            os._exit(128 + number)
        else:
            self.stop.set()
