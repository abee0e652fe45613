"""A gateway between every SDK and a provider of every dialect."""

from collections.abc import Iterator

import pytest
from tests.blackbox.configuration import KEY, PROVIDER_KEY, key_table
from tests.blackbox.gateway import Gateway, running
from tests.dialects.provider import Provider, running_provider

BASE_PATHS = {"openai": "/v1", "anthropic": "", "gemini": ""}


@pytest.fixture(scope="session", params=["native", "uvicorn"])
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session", params=["openai", "anthropic", "gemini"])
def dialect(request: pytest.FixtureRequest) -> str:
    """The provider's."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="session")
def gateway(
    door: str, dialect: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway whose model `chat` is at a provider of that dialect."""
    config = f"""
[providers.upstream]
dialect = "{dialect}"
base_url = "{provider.base_url}{BASE_PATHS[dialect]}"
api_key = "{PROVIDER_KEY}"
[deployments.only]
provider = "upstream"
model = "upstream-model"
[models.chat]
use = ["only"]
[tenants.acme]
"""
    with running(door, tmp_path_factory.mktemp(f"{door}-{dialect}"), config + key_table(KEY)) as gateway:
        yield gateway
