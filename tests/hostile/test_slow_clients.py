"""Clients that take their time, at the native door with short times: every wait ends by its doing."""

import http.client
import json
import socket
import threading
import time

import pytest
from tests.hostile.raw import exchange, final, read_answer, status
from tests.transport.conftest import Authority
from tests.transport.gateway import CHAT, Gateway, chat_body, provider
from tests.transport.http2 import Http2Client

from fastgate._core import MockProvider

# Far below every default, far above what a busy machine needs.
SOON_S = 5.0
HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n".encode()


def gateway(mock: MockProvider, bounds: str, authority: Authority | None = None) -> Gateway:
    config = provider(f"http://{mock.address}/v1", bounds=f"{{ {bounds} }}")
    if authority is None:
        return Gateway(config)
    return Gateway(config, certificate=authority.certificate, key=authority.key)


def connect(gateway: Gateway) -> socket.socket:
    return socket.create_connection(gateway.address, timeout=SOON_S)


def drip(connection: socket.socket, pieces: bytes, ended: threading.Event) -> None:
    """One byte every 20 ms until the gateway has had enough: progress alone must not help."""
    for piece in pieces:
        if ended.wait(0.02):
            return
        try:
            connection.sendall(bytes([piece]))
        except OSError:
            return


def test_a_head_that_drips_in(mock: MockProvider) -> None:
    with gateway(mock, 'head_timeout = "200ms"') as slow, connect(slow) as connection:
        ended = threading.Event()
        sender = threading.Thread(target=drip, args=(connection, HEAD + b"x-pad: " + b"a" * 10_000, ended))
        sender.start()
        received = read_answer(connection)
        ended.set()
        sender.join()
        assert status(received) == 408
        assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"
        assert slow.chat().status == 200


@pytest.mark.parametrize("start", [b"", b"G", HEAD], ids=["nothing", "one-byte", "half-a-head"])
def test_a_head_that_does_not_come(mock: MockProvider, start: bytes) -> None:
    with gateway(mock, 'head_timeout = "200ms"') as slow, connect(slow) as connection:
        connection.sendall(start)
        received = read_answer(connection)
        assert status(received) == (408 if start else 0)
        assert connection.recv(1) == b""


def test_a_handshake_that_stalls(mock: MockProvider, authority: Authority) -> None:
    with gateway(mock, 'head_timeout = "200ms"', authority) as slow, connect(slow) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert connection.recv(100) == b""


@pytest.mark.parametrize("length", [b"content-length: 1000", b"transfer-encoding: chunked"])
def test_a_body_that_does_not_come(mock: MockProvider, length: bytes) -> None:
    with gateway(mock, 'body_gap = "200ms"') as slow, connect(slow) as connection:
        connection.sendall(HEAD + length + b"\r\n\r\n")
        received = read_answer(connection)
        assert status(received) == 408
        assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"
        assert b"connection: close" in received
        assert connection.recv(1) == b""
        assert slow.engine.statistics()["request_timeout"] == 1
        assert slow.engine.statistics()["in_flight"] == 0
    assert mock.requests() == []


def test_a_body_that_drips_in(mock: MockProvider) -> None:
    with gateway(mock, 'body_timeout = "300ms"') as slow, connect(slow) as connection:
        connection.sendall(HEAD + b"content-length: 1000\r\n\r\n")
        ended = threading.Event()
        sender = threading.Thread(target=drip, args=(connection, b" " * 1000, ended))
        sender.start()
        assert status(read_answer(connection)) == 408
        ended.set()
        sender.join()


def test_a_body_over_http2_that_does_not_come(mock: MockProvider) -> None:
    with gateway(mock, 'body_gap = "200ms"') as slow, Http2Client(slow.address) as client:
        stream = client.chat(chat_body(), end=False)
        client.read_all(stream)
        assert client.headers[stream][":status"] == "408"
        # The connection is as good as before.
        other = client.chat(chat_body())
        client.read_all(other)
        assert client.headers[other][":status"] == "200"


def test_an_idle_connection_is_closed(mock: MockProvider) -> None:
    with gateway(mock, 'keep_alive = "200ms"') as slow, connect(slow) as connection:
        body = chat_body()
        request = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
        for _ in range(2):
            connection.sendall(request)
            assert status(read_answer(connection)) == 200
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began < SOON_S


def test_an_idle_http2_connection_is_closed(mock: MockProvider) -> None:
    with gateway(mock, 'keep_alive = "200ms"') as slow, Http2Client(slow.address) as client:
        stream = client.chat(chat_body())
        client.read_all(stream)
        assert client.headers[stream][":status"] == "200"
        client.read_to_the_end()


def test_a_client_that_reads_nothing(mock: MockProvider) -> None:
    mock.set_script(json.dumps({"defaults": {"content_bytes": 60_000_000, "chunks": 4000}}))
    with (
        gateway(mock, 'write_gap = "200ms"') as slow,
        slow.stream() as connection,
    ):
        assert connection.recv(9) == b"HTTP/1.1 "
        # The gateway ends it, and with it the call to the provider; the client has not said a word.
        assert mock.wait(requests=1, in_flight=0)
        assert slow.engine.statistics()["client_gone"] == 1


def test_an_exchange_that_takes_too_long(mock: MockProvider) -> None:
    mock.set_script(json.dumps({"defaults": {"chunks": 100_000, "content_bytes": 800_000, "gap_ms": 5}}))
    with gateway(mock, 'exchange_timeout = "300ms"') as slow, slow.stream() as connection:
        received = b""
        while piece := connection.recv(65_536):
            received += piece
        assert b"[DONE]" not in received
        assert not received.endswith(b"0\r\n\r\n")
        assert mock.wait(requests=1, in_flight=0)


def test_an_http2_exchange_that_takes_too_long(mock: MockProvider) -> None:
    mock.set_script(json.dumps({"defaults": {"chunks": 100_000, "content_bytes": 800_000, "gap_ms": 5}}))
    with gateway(mock, 'exchange_timeout = "300ms"') as slow, Http2Client(slow.address) as client:
        stream = client.chat(chat_body(stream=True))
        client.read_until_reset(stream)
        assert mock.wait(requests=1, in_flight=0)


def test_a_refusal_reaches_a_client_that_is_still_sending(mock: MockProvider) -> None:
    """Closed at once, the connection would be reset under an answer that was not read yet."""
    with gateway(mock, 'request_body = "1KB"') as small:
        for _ in range(20):
            received = exchange(
                small.address[1], HEAD + b"content-length: 3000000\r\n\r\n" + b" " * 3_000_000
            )
            assert status(final(received)) == 413


def test_connections_beyond_the_bound(mock: MockProvider) -> None:
    with gateway(mock, "connections = 2") as small:
        with connect(small), connect(small):
            refused = exchange(small.address[1], b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
            start, _, body = refused.partition(b"\r\n\r\n")
            assert status(refused) == 503
            assert b"\r\nretry-after: 1" in start
            assert b"\r\nconnection: close" in start
            assert json.loads(body)["error"]["code"] == "overloaded"
            assert json.loads(body)["error"]["request_id"]
        until_served(small)


def test_connections_beyond_the_bound_with_tls(mock: MockProvider, authority: Authority) -> None:
    with gateway(mock, "connections = 1", authority) as small, connect(small), connect(small) as refused:
        assert refused.recv(1) == b""


def until_served(gateway: Gateway) -> None:
    """The connections that were closed are noticed in time."""
    end = time.monotonic() + SOON_S
    while gateway.chat().status != 200:
        assert time.monotonic() < end


def test_requests_beyond_the_bound_are_refused_and_health_is_not(mock: MockProvider) -> None:
    mock.set_script('{"steps": [{"stall": "before_headers"}], "defaults": {}}')
    with gateway(mock, "in_flight = 1") as small:
        with small.stream():
            assert mock.wait(requests=1, in_flight=1)
            connection = http.client.HTTPConnection(*small.address, timeout=SOON_S)
            connection.request("POST", CHAT, chat_body(), {"content-type": "application/json"})
            response = connection.getresponse()
            assert (response.status, response.headers["retry-after"]) == (503, "1")
            assert json.loads(response.read())["error"]["code"] == "overloaded"
            assert response.headers["connection"] == "close"
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"ok\n")
            connection.close()
        until_served(small)
