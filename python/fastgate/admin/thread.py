"""The thread that answers what the admin listener hands over.

It sleeps in the engine until a request comes. Only the first one brings in the application and an event loop,
which stay: a gateway whose operators ask nothing has the memory.
"""

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastgate.admin.answering import AdminRequest, Answering
    from fastgate.admin.routes import Gateway

# Requests answered at once; further ones wait in the engine.
AT_ONCE = 16
WAIT_S = 60.0
STOP_LIMIT_S = 10.0

logger = logging.getLogger("fastgate.admin")


class AdminThread:
    """Answers the admin listener of one gateway, from now until `close`."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self._places = threading.Semaphore(AT_ONCE)
        self._taking = threading.Thread(target=self._take, name="fastgate-admin", daemon=True)
        self._answering: Answering | None = None
        self._taking.start()

    def close(self) -> None:
        """End. The engine has to be stopped before: until then the thread sleeps in it."""
        self._stop.set()
        self._taking.join(STOP_LIMIT_S)
        if self._answering is not None:
            self._answering.close()

    def _take(self) -> None:
        while not self._stop.is_set():
            self._places.acquire()
            asked_s = time.monotonic()
            try:
                request = self._gateway.engine.take_admin_request(WAIT_S)
                if request is not None:
                    self._answer(request)
                    continue
            except Exception:
                logger.exception("taking a request of the admin listener failed; going on")
            self._places.release()
            if time.monotonic() < asked_s + WAIT_S:
                # The engine has stopped, or something is broken: no reason to spin.
                self._stop.wait(0.25)

    def _answer(self, request: "AdminRequest") -> None:
        if self._answering is None:
            from fastgate.admin.answering import Answering

            self._answering = Answering(self._gateway)
        self._answering.begin(request, self._places.release)
