"""One suite over every door.

`gateway` (one provider that serves every name) and `named_gateway` (deployments, groups, keys) run once per
door and serve all tests that only ask; a test that changes or ends its gateway starts its own, with `start`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox import configuration
from tests.blackbox.gateway import Gateway, running
from tests.blackbox.upstream import Upstream

SHARED = Path(__file__).parents[3] / "shared" / "fixtures"
ALL_DOORS = ["native", "uvicorn", "granian-asgi", "granian-rsgi"]
Start = Callable[..., Gateway]


@pytest.fixture(scope="session", params=ALL_DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """The door that a test goes through."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def provider() -> Iterator[Upstream]:
    """The scripted provider of the whole session; tests take `upstream`."""
    upstream = Upstream()
    yield upstream
    upstream.mock.stop()


@pytest.fixture
def upstream(provider: Upstream) -> Upstream:
    """The scripted provider, with nothing seen and nothing scripted."""
    provider.script()
    return provider


@pytest.fixture(scope="session")
def gateway(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one provider that serves every name."""
    with running(
        door, tmp_path_factory.mktemp(door), configuration.open_provider(provider.base_url)
    ) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def named_gateway(
    door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway with deployments, a group, model names, tenants and keys."""
    with running(door, tmp_path_factory.mktemp(door), configuration.named(provider.base_url)) as gateway:
        yield gateway


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start gateways that end with the test: `start(door, config, settings=..., key=...)`."""
    with ExitStack() as stack:
        count = iter(range(10))

        def start_one(door: str, config: str, **options: Any) -> Gateway:
            return stack.enter_context(running(door, tmp_path / f"gateway-{next(count)}", config, **options))

        yield start_one


def read_shared(name: str) -> list[dict[str, Any]]:
    """Lines of a fixture beside the clone; skips where there is none."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"no recorded data: {name} is not beside this clone")
    with path.open() as lines:
        return [json.loads(line) for line in lines]
