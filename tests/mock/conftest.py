"""A mock provider on a free port for each test."""

from collections.abc import Iterator

import pytest

from fastgate._core import MockProvider


@pytest.fixture
def provider() -> Iterator[MockProvider]:
    """Records, one thread, no script."""
    provider = MockProvider()
    yield provider
    provider.stop()
