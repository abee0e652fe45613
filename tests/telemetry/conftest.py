"""A provider, and gateways in front of it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.transport.gateway import Gateway

from fastgate._core import MockProvider

Serve = Callable[..., Gateway]


@pytest.fixture
def provider() -> Iterator[MockProvider]:
    """Answers with 7 tokens for 11."""
    provider = MockProvider(usage={"prompt_tokens": 11, "completion_tokens": 7})
    yield provider
    provider.stop()


@pytest.fixture
def serve(provider: MockProvider) -> Iterator[Serve]:
    """Starts gateways whose one provider, `upstream`, serves every name; takes further configuration."""
    with ExitStack() as stack:

        def start(more: str = "", *, threads: int = 1) -> Gateway:
            config = f'[providers.upstream]\nbase_url = "http://{provider.address}/v1"\n{more}'
            return stack.enter_context(Gateway(config, threads=threads))

        yield start
