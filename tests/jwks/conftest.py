"""A provider that publishes keys, an issuer, and no proxies of the machine."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.jwks.tokens import Issuer

from fastgate._core import MockProvider


class Published:
    """An HTTP server with whatever documents a test puts there."""

    def __init__(self) -> None:
        self.mock = MockProvider()
        self.url = f"http://{self.mock.address}"

    def put(self, path: str, document: Any, **more: Any) -> str:
        """Answer everything with this document from now on; the URL of `path`."""
        self.mock.set_script(json.dumps({"defaults": {"body": document, **more}}))
        return self.url + path


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on the machine's own proxies."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def published() -> Iterator[Published]:
    published = Published()
    yield published
    published.mock.stop()


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer("https://id.example.com/")
