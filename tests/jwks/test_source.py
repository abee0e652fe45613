"""Where keys come from, and everything that must not count as keys."""

import json
from pathlib import Path

import pytest
from tests.jwks.conftest import Published
from tests.jwks.tokens import Issuer
from tests.transport.conftest import Authority, make_authority
from tests.transport.gateway import split
from tests.transport.relay import CLOSED_WRITERS, Relay

from fastgate.config import load_text
from fastgate.jwks.source import DISCOVERY_PATH, KeysUnavailable, Source, read_keys, sources

CONFIG = """
[providers.x]
base_url = "http://127.0.0.1:9"
[auth.jwt]
issuer = "https://id.example.com/"
audiences = ["gateway"]
jwks = "{jwks}"
default_tenant = "default"
refresh = "90s"
"""


def source(jwks: str | None, issuer: str = "https://id.example.com/", ca_file: str | None = None) -> Source:
    return Source(issuer, jwks, ca_file, 300)


def test_the_configuration_names_them(tmp_path: Path) -> None:
    (tmp_path / "keys.json").touch()
    config = load_text(CONFIG.format(jwks="keys.json"), {}, file=str(tmp_path / "fastgate.toml"))
    assert sources(config) == [Source("https://id.example.com/", str(tmp_path / "keys.json"), None, 90)]
    url = "https://id.example.com/keys"
    assert sources(load_text(CONFIG.format(jwks=url), {}))[0].jwks == url


def test_a_file(tmp_path: Path, issuer: Issuer) -> None:
    file = tmp_path / "keys.json"
    with pytest.raises(KeysUnavailable, match="No such file"):
        read_keys(source(str(file)))
    file.write_text(json.dumps(issuer.jwks()))
    assert json.loads(read_keys(source(str(file)))) == issuer.jwks()
    file.write_bytes(b" " * 300_000)
    with pytest.raises(KeysUnavailable, match="larger than"):
        read_keys(source(str(file)))


def test_a_url(published: Published, issuer: Issuer) -> None:
    url = published.put("/keys", issuer.jwks())
    assert json.loads(read_keys(source(url))) == issuer.jwks()
    (request,) = published.mock.requests()
    assert (request["method"], request["path"]) == ("GET", "/keys")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"status": 500}, "answered 500"),
        ({"body": "", "status": 302, "headers": {"location": "http://127.0.0.1:1/other"}}, "answered 302"),
        ({"body": "", "reset": "before_headers"}, "reset by peer"),
        ({"body": "x" * 300_000}, "larger than 262144 bytes"),
        ({"body": "", "garbage": "not_http"}, r"not answered in HTTP \(BadStatusLine\)"),
    ],
)
def test_what_goes_wrong_is_said(published: Published, answer: dict[str, object], message: str) -> None:
    published.mock.set_script(json.dumps({"defaults": answer}))
    with pytest.raises(KeysUnavailable, match=message) as caught:
        read_keys(source(f"{published.url}/keys"))
    assert f"{published.url}/keys: " in str(caught.value)
    assert len(published.mock.requests()) == 1


def test_discovery_leads_to_the_keys(published: Published, issuer: Issuer) -> None:
    metadata = {"issuer": published.url, "jwks_uri": f"{published.url}/keys"}
    steps = [{"body": metadata}, {"body": issuer.jwks()}]
    published.mock.set_script(json.dumps({"steps": steps}))
    assert json.loads(read_keys(source(None, issuer=published.url))) == issuer.jwks()
    assert [request["path"] for request in published.mock.requests()] == [DISCOVERY_PATH, "/keys"]


@pytest.mark.parametrize(
    ("issuer_is", "jwks_uri", "message"),
    [
        ("https://another.example.com", "https://id.example.com/keys", "not the metadata of this issuer"),
        (None, "http://id.example.com/keys", "names no https:// URL"),
        (None, "file:///etc/passwd", "names no https:// URL"),
        (None, 7, "names no https:// URL"),
    ],
)
def test_discovery_that_leads_astray(
    published: Published, issuer_is: str | None, jwks_uri: object, message: str
) -> None:
    published.put(DISCOVERY_PATH, {"issuer": issuer_is or published.url, "jwks_uri": jwks_uri})
    with pytest.raises(KeysUnavailable, match=message):
        read_keys(source(None, issuer=published.url))
    published.mock.set_script('{"defaults": {"garbage": "html"}}')
    with pytest.raises(KeysUnavailable, match="not the metadata"):
        read_keys(source(None, issuer=published.url))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "own")


@pytest.mark.filterwarnings(CLOSED_WRITERS)
def test_tls_is_verified(published: Published, authority: Authority, issuer: Issuer) -> None:
    published.put("/keys", issuer.jwks())
    with Relay(split(published.mock.address), authority.server()) as server:
        url = f"https://localhost:{server.address[1]}/keys"
        assert json.loads(read_keys(source(url, ca_file=authority.ca_file))) == issuer.jwks()
        with pytest.raises(KeysUnavailable, match="certificate verify failed"):
            read_keys(source(url))
    assert len(published.mock.requests()) == 1
