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
from tests.dialects.matrix import WRONG
from tests.dialects.provider import Provider, running_provider

BASE_PATHS = {"openai": "/v1", "anthropic": "", "gemini": ""}
Says = Callable[[str], None]
Connect = Callable[..., Any]


def model_at(dialect: str) -> str:
    """What clients ask for to be answered by a provider of that dialect."""
    return f"chat-{dialect}"


FOLDER = Path(__file__).parent
COLLECTED = pytest.StashKey[list[pytest.Item]]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remember what there is before any of it is deselected."""
    config.stash[COLLECTED] = [item for item in items if item.path.parent == FOLDER]


def expect_failure(request: pytest.FixtureRequest, reason: str) -> None:
    """This cell is known to be wrong; once it is right, the test says so."""
    request.applymarker(pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason))


def expect_known_failure(request: pytest.FixtureRequest, case: str, client_name: str, dialect: str) -> None:
    """The same for a cell of the matrix, if it is wrong."""
    reason = WRONG.get((case, client_name, dialect))
    if reason is not None:
        expect_failure(request, reason)


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
    config = "[tenants.acme]\n" + key_table(KEY)
    for dialect, path in BASE_PATHS.items():
        config += f"""
[providers.{dialect}]
dialect = "{dialect}"
base_url = "{provider.base_url}{path}"
api_key = "{PROVIDER_KEY}"
[deployments.at-{dialect}]
provider = "{dialect}"
model = "upstream-model"
[models.{model_at(dialect)}]
use = ["at-{dialect}"]
"""
    with running(door, tmp_path_factory.mktemp(door), config) as gateway:
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
