"""How the operating system switches between the threads that a request crosses.

A woken thread usually interrupts the one that woke it. Where a request crosses several, each then handles one
request at a time; under `SCHED_BATCH` each finishes what it has before the next runs, which saves half of the
CPU under load (docs/decisions/0004). An idle core still takes a woken thread at once.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger("fastgate.bridge")


@contextmanager
def interrupting_nobody() -> Iterator[None]:
    """Let the calling thread, and for good those started meanwhile, wait for their turn."""
    if not interrupt_nobody():
        yield
        return
    try:
        yield
    finally:
        if sys.platform == "linux":
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def interrupt_nobody() -> bool:
    """Let the calling thread, and those it starts, wait for their turn; whether that changed anything.

    A policy that somebody chose is left alone, and so is a system that knows no other.
    """
    if sys.platform != "linux" or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return False
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:
        logger.info("threads keep their scheduling: %s", error)
        return False
    return True
