"""HTTP/2 clients that flood: the connection pays, the gateway goes on."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.transport.gateway import Gateway, chat_body, provider
from tests.transport.http2 import Http2Client

from fastgate._core import MockProvider

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
# :method GET, :scheme http, :path /, :authority localhost, in HPACK's static table and one literal.
GET = b"\x82\x86\x84\x41\x09localhost"
TIMEOUT_S = 10.0


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


@pytest.fixture
def gateway(mock: MockProvider) -> Iterator[Gateway]:
    with Gateway(provider(f"http://{mock.address}/v1")) as gateway:
        yield gateway
        assert gateway.chat().status == 200
        assert gateway.engine.statistics()["in_flight"] == 0


def is_ended_by(gateway: Gateway, frames: bytes) -> bool:
    """Whether the gateway says GOAWAY to a flood, or hangs up so hard that this can't be read any more."""
    with socket.create_connection(gateway.address, timeout=TIMEOUT_S) as connection:
        received = b""
        try:
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + frames)
            while piece := connection.recv(65_536):
                received += piece
        except (BrokenPipeError, ConnectionResetError):
            return True
        return GOAWAY in kinds(received)


def kinds(received: bytes) -> list[int]:
    found = []
    while len(received) >= 9:
        length = int.from_bytes(received[:3], "big")
        found.append(received[3])
        received = received[9 + length :]
    return found


def test_rapid_reset(gateway: Gateway, mock: MockProvider) -> None:
    """CVE-2023-44487: requests opened and reset at once cost the sender nothing."""
    frames = b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, stream, GET) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08")
        for stream in range(1, 20_001, 2)
    )
    assert is_ended_by(gateway, frames)
    assert mock.requests() == []


def test_continuation_without_end(gateway: Gateway) -> None:
    """CVE-2024-27316: a head that never ends."""
    more = frame(CONTINUATION, 0, 1, b"\x00\x01x\x7f\x80\x02" + b"a" * 383) * 5_000
    assert is_ended_by(gateway, frame(HEADERS, END_STREAM, 1, GET) + more)


def test_streams_that_make_the_gateway_reset(gateway: Gateway) -> None:
    """CVE-2025-8671: frames that force a reset instead of sending one."""
    frames = b"".join(
        frame(HEADERS, END_HEADERS | END_STREAM, stream, GET) + frame(WINDOW_UPDATE, 0, stream, b"\0\0\0\0")
        for stream in range(1, 20_001, 2)
    )
    assert is_ended_by(gateway, frames)


@pytest.mark.parametrize(
    "one",
    [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, b"\x00\x04\x00\x00\xff\xff"), frame(DATA, 0, 1)],
    ids=["ping", "settings", "data-on-no-stream"],
)
def test_control_frames(gateway: Gateway, one: bytes) -> None:
    """Answered one at a time or refused; queued nowhere: what is not read by the client is not written."""
    with socket.create_connection(gateway.address, timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(1.0)
        with suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + one * 50_000)
        # Others are served meanwhile.
        assert gateway.chat().status == 200


def test_a_head_beyond_the_bound(gateway: Gateway, mock: MockProvider) -> None:
    with Http2Client(gateway.address) as client:
        large = client.chat(chat_body(), *[(f"x-{number}", "a" * 1000) for number in range(33)])
        client.read_all(large)
        assert client.headers[large][":status"] == "431"
        many = client.chat(chat_body(), *[(f"x-{number}", "a") for number in range(101)])
        client.read_all(many)
        assert client.headers[many][":status"] == "431"
        assert mock.requests() == []
        good = client.chat(chat_body())
        client.read_all(good)
        assert client.headers[good][":status"] == "200"


def test_streams_at_once_are_bounded(gateway: Gateway) -> None:
    with Http2Client(gateway.address) as client:
        stream = client.chat(chat_body())
        client.read_all(stream)
        assert client.stream_limit == 256


def test_heads_are_looked_at_alike(gateway: Gateway, mock: MockProvider) -> None:
    with Http2Client(gateway.address) as client:
        for more in [("content-encoding", "gzip"), ("content-encoding", "identity, br")]:
            stream = client.chat(chat_body(), more)
            client.read_all(stream)
            assert client.headers[stream][":status"] == "400"
    assert mock.requests() == []
