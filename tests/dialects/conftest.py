"""A gateway between every SDK and providers of every dialect."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox.configuration import KEY, PROVIDER_KEY, key_table
from tests.blackbox.gateway import Gateway, running
from tests.dialects.answers.cases import answer
from tests.dialects.clients import CLIENTS
from tests.dialects.provider import Provider, running_provider

BASE_PATHS = {"openai": "/v1", "anthropic": "", "gemini": ""}
Says = Callable[[str], None]
Connect = Callable[..., Any]


def model_at(dialect: str) -> str:
    """What clients ask for to be answered by a provider of that dialect."""
    return f"chat-{dialect}"


def provider_table(provider: Provider, dialect: str, model: str) -> str:
    """The provider as one of that dialect, behind a model."""
    return f"""
[providers.{dialect}]
dialect = "{dialect}"
base_url = "{provider.base_url}{BASE_PATHS[dialect]}"
api_key = "{PROVIDER_KEY}"
[deployments.at-{dialect}]
provider = "{dialect}"
model = "upstream-model"
[models.{model}]
use = ["at-{dialect}"]
"""


TENANT = "[tenants.acme]\n" + key_table(KEY)
FOLDER = Path(__file__).parent
COLLECTED = pytest.StashKey[list[pytest.Item]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remember what there is before any of it is deselected."""
    config.stash[COLLECTED] = [item for item in items if item.path.parent == FOLDER]


@pytest.fixture(scope="session", params=["native", "uvicorn"])
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session", params=list(BASE_PATHS))
def dialect(request: pytest.FixtureRequest) -> str:
    """The provider's."""
    name: str = request.param
    return name


@pytest.fixture(params=list(CLIENTS))
def client_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture(scope="session")
def gateway(door: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a provider of every dialect, each behind a model of its own."""
    config = "".join(provider_table(provider, dialect, model_at(dialect)) for dialect in BASE_PATHS)
    with running(door, tmp_path_factory.mktemp(door), config + TENANT) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def gateway_at(
    door: str, dialect: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with a provider of that dialect and no other, behind the model `chat`."""
    config = provider_table(provider, dialect, "chat")
    with running(door, tmp_path_factory.mktemp(f"{door}-{dialect}"), config + TENANT) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def connect(gateway: Gateway) -> Iterator[Connect]:
    """Gives an SDK that speaks to the gateway: of `kinds`, by its name, for a provider's dialect.

    Each is made once: loading the roots of TLS takes an SDK longer than the whole of a test.
    """
    made: dict[tuple[int, str, str], Any] = {}
    with ExitStack() as open_clients:

        def connected(name: str, dialect: str, kinds: dict[str, Any] = CLIENTS) -> Any:
            client = made.get((id(kinds), name, dialect))
            if client is None:
                client = kinds[name](f"http://127.0.0.1:{gateway.port}", KEY, model_at(dialect))
                made[id(kinds), name, dialect] = client
                open_clients.callback(client.sdk.close)
            return client

        yield connected


@pytest.fixture
def client(connect: Connect, client_name: str, dialect: str) -> Any:
    """An SDK that speaks to the gateway."""
    return connect(client_name, dialect)


def writes(client_name: str, dialect: str) -> str:
    """The format in which a provider answers that client: OpenAI has two, and its own clients choose."""
    return "responses" if (client_name, dialect) == ("responses", "openai") else dialect


@pytest.fixture
def says(provider: Provider, client_name: str, dialect: str) -> Says:
    """Makes the provider answer as in a case."""

    def answer_case(case: str) -> None:
        body, content_type, status = answer(writes(client_name, dialect), case)
        provider.answer(body, content_type, status)

    return answer_case
