"""HTTP as bytes: what a client library would hide is what these tests look at."""

import json
import socket
from typing import Any

from fastgate._core import MockProvider

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


def connect(provider: MockProvider) -> socket.socket:
    host, port = provider.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def request_bytes(fault: str | None = None, path: str = "/v1/chat/completions", **fields: Any) -> bytes:
    """One POST as bytes; `fields` are added to the chat request."""
    body = json.dumps(CHAT | fields).encode()
    fault_line = f"x-mock-fault: {fault}\r\n" if fault else ""
    return (
        f"POST {path} HTTP/1.1\r\nhost: mock\r\n{fault_line}content-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def read_until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        piece = connection.recv(65536)
        if not piece:
            break
        received += piece
    return received


def read_all(connection: socket.socket) -> tuple[bytes, str]:
    """Everything until the peer closes, and how it did: "fin" or "reset"."""
    received = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return received, "reset"
        if not piece:
            return received, "fin"
        received += piece


def unchunked(body: bytes) -> tuple[bytes, bool]:
    """The payload of a chunked body, and whether its terminator came."""
    payload = b""
    while b"\r\n" in body:
        line, _, rest = body.partition(b"\r\n")
        size = int(line, 16)
        if size == 0:
            return payload, True
        payload += rest[:size]
        body = rest[size + 2 :]
    return payload, False
