"""Providers behind TLS, over HTTP/1.1 and HTTP/2."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.blackbox.waiting import until
from tests.transport.conftest import Authority
from tests.transport.gateway import Gateway, chat_body, provider, read_until, split
from tests.transport.relay import CLOSED_WRITERS, Relay

from fastgate._core import MockProvider

LEAVING_S = 0.1
pytestmark = pytest.mark.filterwarnings(CLOSED_WRITERS)


def trusting(base_url: str, authority: Authority, timeout: str = "{}") -> str:
    return provider(base_url, f'ca_file = "{authority.ca_file}"', timeout=timeout)


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_http1(mock: MockProvider, authority: Authority, protocols: tuple[str, ...], host: str) -> None:
    with (
        Relay(split(mock.address), authority.server(*protocols)) as upstream,
        Gateway(trusting(f"https://{host}:{upstream.address[1]}/v1", authority)) as gateway,
    ):
        for _ in range(3):
            assert gateway.chat().status == 200
            assert gateway.chat(chat_body(stream=True)).body.endswith(b"data: [DONE]\n\n")
    assert upstream.protocols == [protocols[0] if protocols else None]
    assert mock.counts()["connections_accepted"] == 1


@pytest.mark.parametrize("case", ["untrusted", "other name"])
def test_a_certificate_that_does_not_hold(
    mock: MockProvider, authority: Authority, other_authority: Authority, case: str
) -> None:
    trusted = other_authority if case == "untrusted" else authority
    tls = authority.server("h2", "http/1.1")
    if case == "other name":
        authority.ca.issue_cert("elsewhere.test").configure_cert(tls)
    with (
        Relay(split(mock.address), tls) as upstream,
        Gateway(trusting(f"https://localhost:{upstream.address[1]}/v1", trusted)) as gateway,
    ):
        started = time.monotonic()
        answer = gateway.chat()
        assert time.monotonic() - started < 2
    error = answer.error()
    assert (answer.status, error["code"]) == (502, "provider_unreachable")
    assert "m: the provider can't be reached: TLS: its certificate is" in error["message"]
    assert mock.requests() == []


def test_a_provider_that_does_not_speak_tls(mock: MockProvider, authority: Authority) -> None:
    with Gateway(trusting(f"https://{mock.address}/v1", authority)) as gateway:
        answer = gateway.chat()
    assert (answer.status, answer.error()["code"]) == (502, "provider_unreachable")
    assert "TLS: " in answer.error()["message"]


@pytest.fixture
def inner(mock: MockProvider, authority: Authority) -> Iterator[Gateway]:
    """A provider that speaks HTTP/2: a gateway of its own."""
    config = provider(f"http://{mock.address}/v1")
    with Gateway(config, certificate=authority.certificate, key=authority.key) as inner:
        yield inner


@pytest.fixture
def outer(inner: Gateway, authority: Authority) -> Iterator[Gateway]:
    with Gateway(trusting(f"https://localhost:{inner.address[1]}/v1", authority)) as outer:
        yield outer


def test_http2_shares_a_connection(outer: Gateway, inner: Gateway, mock: MockProvider) -> None:
    mock.set_script('{"steps": [{}, {"content_bytes": 300000}, {"times": "always", "stall": "events:2"}]}')
    assert outer.chat().status == 200
    assert outer.chat(chat_body(stream=True)).body.endswith(b"data: [DONE]\n\n")
    with ExitStack() as stack:
        streams = [stack.enter_context(outer.stream()) for _ in range(8)]
        for stream in streams:
            read_until(stream, b"\n\n")
        assert inner.connections_by_core() == [1]
        assert mock.counts()["in_flight"] == 8


@pytest.mark.parametrize("fault", ["before_headers", "events:2"])
def test_a_client_that_leaves_resets_the_stream_and_no_other(
    outer: Gateway, inner: Gateway, mock: MockProvider, fault: str
) -> None:
    mock.set_script(f'{{"steps": [{{}}, {{"stall": "{fault}"}}]}}')
    assert outer.chat().status == 200
    with outer.stream() as client:
        assert mock.wait(requests=2, in_flight=1)
        if fault != "before_headers":
            read_until(client, b"\n\n")
        left = time.time()
    until(lambda: mock.counts()["in_flight"] == 0, "closed")
    request = mock.requests()[1]
    assert request["ended_after_ms"] is not None
    assert request["at"] + request["ended_after_ms"] / 1000 - left < LEAVING_S
    assert outer.chat().status == 200
    assert inner.connections_by_core() == [1]


def test_a_provider_that_stops_finishes_what_it_began(
    outer: Gateway, inner: Gateway, mock: MockProvider
) -> None:
    mock.set_script('{"defaults": {"gap_ms": 20, "chunks": 20}}')
    with outer.stream() as client:
        received = read_until(client, b"\n\n")
        assert inner.engine.stop(10) is True
        assert b"[DONE]" not in received
        read_until(client, b"data: [DONE]\n\n")


def test_a_shared_connection_that_is_gone_is_replaced(
    outer: Gateway, inner: Gateway, authority: Authority
) -> None:
    assert outer.chat().status == 200
    # A provider that restarts says goodbye, and is at the same address a moment later.
    assert inner.engine.stop(5) is True
    host, port = inner.address
    inner.engine.serve(
        listen=f"{host}:{port}",
        admin=None,
        threads=1,
        tls_certificate=authority.certificate,
        tls_key=authority.key,
    )
    assert [outer.chat().status for _ in range(3)] == [200] * 3
    assert inner.engine.statistics()["connections"] == 1
