"""Bytes on a socket, and what comes back: a status, or the end of the connection. Every wait is bounded."""

import socket
from contextlib import suppress

from tests.blackbox.configuration import KEY

CHAT = b"/v1/chat/completions"
BODY = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hello"}]}'
TIMEOUT_S = 10.0
CLOSED = 0
"""The connection ended without an answer."""


def head(
    *lines: bytes, start: bytes = b"POST " + CHAT + b" HTTP/1.1", host: bytes | None = b"localhost"
) -> bytes:
    """A head with the gateway's key; `lines` come last."""
    named = () if host is None else (b"host: " + host,)
    own = (start, *named, b"authorization: Bearer " + KEY.encode(), b"content-type: application/json")
    return b"\r\n".join((*own, *lines)) + b"\r\n\r\n"


def post(body: bytes = BODY, *lines: bytes) -> bytes:
    """A request whose length is stated."""
    return head(*lines, b"content-length: %d" % len(body)) + body


def chunked(chunks: bytes, *lines: bytes) -> bytes:
    """A request in chunks, which are given as they go over the wire."""
    return head(*lines, b"transfer-encoding: chunked") + chunks


def chunk(data: bytes = BODY) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


def exchange(port: int, data: bytes, *, hang_up: bool = False) -> bytes:
    """What the gateway says to `data`, until its answer is whole or the connection has ended.

    `hang_up`: nothing follows, and the gateway is told.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        # Who refuses early may close before everything is sent.
        with suppress(OSError):
            connection.sendall(data)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    """One answer, interim ones included; what there is of it where the connection ends."""
    received = b""
    with suppress(ConnectionResetError):
        while not is_whole(received):
            piece = connection.recv(65_536)
            if not piece:
                break
            received += piece
    return received


def is_whole(received: bytes) -> bool:
    start, separator, body = final(received).partition(b"\r\n\r\n")
    if not separator:
        return False
    for line in start.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(body) >= int(value)
        if name.lower() == b"transfer-encoding":
            return body.endswith(b"0\r\n\r\n")
    # Without a length it lasts until the connection ends, but for these.
    return start.split(b" ")[1:2] in ([b"204"], [b"304"])


def final(received: bytes) -> bytes:
    """Without the interim answers (1xx) before it."""
    while received.startswith(b"HTTP/1.1 1"):
        _, separator, rest = received.partition(b"\r\n\r\n")
        if not separator:
            return b""
        received = rest
    return received


def status(received: bytes) -> int:
    """The status of an answer, `CLOSED` if there is none."""
    received = final(received)
    if not received:
        return CLOSED
    assert received.startswith(b"HTTP/1."), received[:200]
    return int(received[9:12])
