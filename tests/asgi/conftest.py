"""A provider, and ways to run a coroutine on the loops servers use."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop

from fastgate._core import MockProvider

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def provider() -> Iterator[MockProvider]:
    mock = MockProvider()
    yield mock
    mock.stop()


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on a loop of its own."""
    return asyncio.run if request.param == "asyncio" else uvloop.run
