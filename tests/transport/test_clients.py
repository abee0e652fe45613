"""TLS and HTTP/2 on the native door."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.blackbox.waiting import until
from tests.transport.conftest import Authority
from tests.transport.gateway import CHAT, CLIENT_TIMEOUT_S, Gateway, chat_body, make_engine, provider
from tests.transport.http2 import Http2Client

from fastgate._core import MockProvider

STREAM = chat_body(stream=True)
JSON = {"content-type": "application/json"}
LEAVING_S = 0.1


@pytest.fixture
def secure(mock: MockProvider, authority: Authority) -> Iterator[Gateway]:
    """A gateway that serves HTTPS."""
    config = provider(f"http://{mock.address}/v1")
    with Gateway(config, certificate=authority.certificate, key=authority.key) as gateway:
        yield gateway


@pytest.fixture
def plain(mock: MockProvider) -> Iterator[Gateway]:
    with Gateway(provider(f"http://{mock.address}/v1")) as gateway:
        yield gateway


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_over_tls(secure: Gateway, mock: MockProvider, authority: Authority, version: str) -> None:
    mock.set_script('{"defaults": {"content": "caf\\u00e9", "gap_ms": 2}}')
    url = f"https://localhost:{secure.address[1]}{CHAT}"
    with httpx.Client(
        verify=authority.client(), http2=version == "HTTP/2", timeout=CLIENT_TIMEOUT_S
    ) as client:
        answer = client.post(url, content=chat_body(), headers=JSON)
        assert (answer.status_code, answer.http_version) == (200, version)
        assert answer.json()["choices"][0]["message"]["content"] == "café"
        assert "connection" not in answer.headers
        with client.stream("POST", url, content=STREAM, headers=JSON) as stream:
            assert (stream.status_code, stream.http_version) == (200, version)
            assert stream.read().endswith(b"data: [DONE]\n\n")
        refused = client.post(url, content=b"{", headers=JSON)
        assert refused.status_code == 400
    assert secure.engine.statistics()["answered"] == 2
    until(lambda: secure.connections_by_core() == [0], "one connection served all, and is closed")


def test_http2_without_tls(plain: Gateway) -> None:
    url = f"http://127.0.0.1:{plain.address[1]}{CHAT}"
    with httpx.Client(http1=False, http2=True, timeout=CLIENT_TIMEOUT_S) as client:
        answer = client.post(url, content=chat_body(), headers=JSON)
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        with client.stream("POST", url, content=STREAM, headers=JSON) as stream:
            assert stream.read().endswith(b"data: [DONE]\n\n")


def test_streams_share_a_connection(plain: Gateway, mock: MockProvider) -> None:
    mock.set_script('{"defaults": {"latency_ms": 100, "content_bytes": 5000}}')
    with Http2Client(plain.address) as client:
        streams = [client.chat(STREAM) for _ in range(20)]
        client.read_all(*streams)
        assert plain.connections_by_core() == [1]
    assert all(client.bodies[stream].endswith(b"data: [DONE]\n\n") for stream in streams)
    assert mock.counts()["in_flight_max"] == 20


@pytest.mark.parametrize("fault", ["before_headers", "events:2"])
@pytest.mark.parametrize("with_tls", [False, True])
def test_a_stream_that_is_reset_closes_the_call_to_the_provider(
    plain: Gateway, secure: Gateway, mock: MockProvider, authority: Authority, fault: str, with_tls: bool
) -> None:
    mock.set_script(f'{{"steps": [{{"stall": "{fault}"}}]}}')
    address, tls = (secure.address, authority.client()) if with_tls else (plain.address, None)
    with Http2Client(address, tls) as client:
        stream = client.chat(STREAM)
        assert mock.wait(requests=1, in_flight=1)
        if fault != "before_headers":
            client.read_until(stream, b"\n\n")
        left = time.time()
        client.reset(stream)
        until(lambda: mock.counts()["in_flight"] == 0, "closed")
        # The others on the connection are not concerned.
        other = client.chat(STREAM)
        client.read_all(other)
        assert client.bodies[other].endswith(b"data: [DONE]\n\n")
    first, _ = mock.requests()
    assert first["outcome"] == "client_closed"
    assert first["ended_after_ms"] is not None
    assert first["at"] + first["ended_after_ms"] / 1000 - left < LEAVING_S
    gateway = secure if with_tls else plain
    assert gateway.engine.statistics()["client_gone"] == 1


def test_a_client_that_leaves_over_tls_closes_the_call_to_the_provider(
    secure: Gateway, mock: MockProvider, authority: Authority
) -> None:
    mock.set_script('{"defaults": {"stall": "events:2"}}')
    with (
        socket.create_connection(secure.address, timeout=CLIENT_TIMEOUT_S) as plain,
        authority.client().wrap_socket(plain, server_hostname="localhost") as client,
    ):
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(STREAM)}\r\n\r\n"
        client.sendall(head.encode() + STREAM)
        assert mock.wait(requests=1, in_flight=1)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        left = time.time()
    until(lambda: mock.counts()["in_flight"] == 0, "closed")
    (request,) = mock.requests()
    assert request["ended_after_ms"] is not None
    assert request["at"] + request["ended_after_ms"] / 1000 - left < LEAVING_S


def test_who_does_not_speak_tls_or_trust_the_certificate_harms_nobody(
    secure: Gateway, authority: Authority, other_authority: Authority
) -> None:
    with socket.create_connection(secure.address, timeout=CLIENT_TIMEOUT_S) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert not client.recv(65536).startswith(b"HTTP")
    with pytest.raises(ssl.SSLCertVerificationError):
        secure.chat(tls=other_authority.client())
    assert secure.chat(tls=authority.client()).status == 200


def test_a_certificate_that_cannot_be_used_refuses_to_start(
    authority: Authority, other_authority: Authority, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    for certificate, key in (
        (str(empty), authority.key),
        (authority.certificate, str(empty)),
        (authority.certificate, other_authority.key),
        (str(tmp_path / "missing.pem"), authority.key),
    ):
        engine = make_engine(provider("http://127.0.0.1:9/v1"))
        with pytest.raises(OSError, match=r"\.pem: ") as caught:
            engine.serve(
                listen="127.0.0.1:0", admin=None, threads=1, tls_certificate=certificate, tls_key=key
            )
        assert "PRIVATE" not in str(caught.value)
