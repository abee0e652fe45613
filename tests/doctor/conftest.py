"""A provider that can be scripted, and no proxies of the machine."""

from collections.abc import Iterator

import pytest
from tests.transport.conftest import PROXY_VARIABLES, Authority, make_authority

from fastgate._core import MockProvider


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the machine's own proxies."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def mock() -> Iterator[MockProvider]:
    mock = MockProvider()
    yield mock
    mock.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "own")
