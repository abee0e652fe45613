"""Bounded polling: the only way this suite waits for another process."""

import time
from collections.abc import Callable
from typing import TypeVar

STEP_S = 0.005

T = TypeVar("T")


def until(look: Callable[[], T], what: str, within_s: float = 10.0) -> T:
    """The first true thing that `look` returns, or an AssertionError that says what never came."""
    end = time.monotonic() + within_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {within_s} s")
        time.sleep(STEP_S)
