"""A provider and a certificate authority for each test that wants one."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from fastgate._core import MockProvider

PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


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


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and a certificate of it for `localhost`, `127.0.0.1` and `provider.test`."""

    ca: trustme.CA
    ca_file: str
    certificate: str
    key: str

    def client(self) -> ssl.SSLContext:
        """Trusts this authority alone."""
        return ssl.create_default_context(cafile=self.ca_file)

    def server(self, *protocols: str) -> ssl.SSLContext:
        """Shows the certificate, and offers these protocols by ALPN."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context


def make_authority(folder: Path, *names: str) -> Authority:
    ca = trustme.CA()
    issued = ca.issue_cert(*(names or ("localhost", "127.0.0.1", "provider.test")))
    folder.mkdir()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    for pem in issued.cert_chain_pems:
        pem.write_to_path(str(folder / "certificate.pem"), append=True)
    return Authority(ca, str(folder / "ca.pem"), str(folder / "certificate.pem"), str(folder / "key.pem"))


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "own")


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One that the gateway is not told to trust."""
    return make_authority(tmp_path_factory.mktemp("authority") / "other")
