"""HTTPS_PROXY, NO_PROXY and a provider's own `proxy`."""

import base64
from collections.abc import Iterator

import pytest
from tests.transport.conftest import Authority
from tests.transport.gateway import Gateway, chat_body, provider, split
from tests.transport.relay import CLOSED_WRITERS, Proxy, Relay

from fastgate._core import MockProvider

pytestmark = pytest.mark.filterwarnings(CLOSED_WRITERS)


@pytest.fixture
def upstream(mock: MockProvider, authority: Authority) -> Iterator[Relay]:
    """The mock behind TLS."""
    with Relay(split(mock.address), authority.server("http/1.1")) as upstream:
        yield upstream


def config(authority: Authority, *more: str, host: str = "provider.test", timeout: str = "{}") -> str:
    return provider(f"https://{host}/v1", f'ca_file = "{authority.ca_file}"', *more, timeout=timeout)


def test_a_providers_own_proxy(upstream: Relay, mock: MockProvider, authority: Authority) -> None:
    """Only the proxy knows where the name leads."""
    with Proxy(upstream.address) as proxy, Gateway(config(authority, f'proxy = "{proxy.url}"')) as gateway:
        assert gateway.chat().status == 200
        stream = gateway.chat(chat_body(stream=True))
        assert stream.body.endswith(b"data: [DONE]\n\n")
    (request,) = proxy.requests
    assert request.startswith(b"CONNECT provider.test:443 HTTP/1.1\r\n")
    assert b"sk-upstream" not in request
    assert len(mock.requests()) == 2
    assert upstream.protocols == ["http/1.1"]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_environments_proxy(
    upstream: Relay, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with Proxy(upstream.address) as proxy:
        monkeypatch.setenv(variable, proxy.url.replace("//", "//user:p%40ss@"))
        with Gateway(config(authority, host="provider.test:8443")) as gateway:
            assert gateway.chat().status == 200
    (request,) = proxy.requests
    assert request.startswith(b"CONNECT provider.test:8443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:p@ss") in request


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_direct(
    upstream: Relay, authority: Authority, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with Proxy(upstream.address) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        own = f'proxy = "{proxy.url}"'
        with Gateway(config(authority, own, host=f"{host}:{upstream.address[1]}")) as gateway:
            assert gateway.chat().status == 200
    assert proxy.requests == []


def test_no_proxy_is_honoured(upstream: Relay, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(upstream.address) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "elsewhere.test,provider.test")
        # Without the proxy nobody knows the name; how long that takes to be found out is not ours.
        with Gateway(config(authority, timeout='{ connect = "500ms" }')) as gateway:
            assert gateway.chat().error()["code"] in ("provider_unreachable", "provider_timeout")
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 403 No way, user:secret\r\n\r\n", "proxy: it refused to open a tunnel (403 Forbidden)"),
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "proxy: it refused to open a tunnel (407 Proxy Authentication Required)",
        ),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "proxy: it does not speak HTTP"),
        (b"HTTP/1.1 20", "proxy: it closed the connection instead of opening a tunnel"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 2000, "proxy: "),
    ],
)
def test_a_proxy_that_refuses(
    upstream: Relay, authority: Authority, monkeypatch: pytest.MonkeyPatch, answer: bytes, reason: str
) -> None:
    with Proxy(upstream.address, answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//user:secret@"))
        with Gateway(config(authority)) as gateway:
            told = gateway.chat()
    assert (told.status, told.error()["code"]) == (502, "provider_unreachable")
    assert f"m: the provider can't be reached: {reason}" in told.error()["message"]
    for secret in (b"secret", base64.b64encode(b"user:secret"), str(proxy.address[1]).encode()):
        assert secret not in told.body


def test_a_proxy_that_is_not_there(upstream: Relay, authority: Authority) -> None:
    with Proxy(upstream.address) as proxy:
        url = proxy.url
    with Gateway(config(authority, f'proxy = "{url}"')) as gateway:
        error = gateway.chat().error()
    assert error["code"] == "provider_unreachable"
    assert "proxy: connection refused" in error["message"]


@pytest.mark.parametrize("scheme", ["https", "socks5"])
def test_other_kinds_of_proxies_are_refused_at_the_start(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """CONNECT sent to them in the clear would show them the password."""
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://user:secret@127.0.0.1:9")
    with (
        pytest.raises(ValueError, match="only http:// proxies can be used") as caught,
        Gateway(config(authority)),
    ):
        pass
    assert "secret" not in str(caught.value)
