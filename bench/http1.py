"""A small HTTP/1.1 client over raw sockets, strict about where a reply ends.

wrk looks at status lines only; this client sees every byte, so it is what the bench verifies and times single
connections with. One `ReplyReader` per reply, fed with whatever the socket gave.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

from bench.processes import BenchError

END_OF_HEAD = b"\r\n\r\n"
END_OF_CHUNKS = b"0\r\n\r\n"


@dataclass(frozen=True)
class Reply:
    """One whole reply; `headers` have lower-case names, `body` is free of transfer coding."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers (lower-case names) of the bytes before the blank line."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status = first.split(" ")[:2]
    if not version.startswith("HTTP/1."):
        raise BenchError(f"not HTTP/1: {first[:80]!r}")
    pairs = (line.partition(":") for line in lines)
    return int(status), {name.lower(): value.strip() for name, _, value in pairs}


def decode_chunks(data: bytes) -> bytes:
    """The body of a complete chunked message (RFC 9112, section 7.1); raises when it is not exactly one."""
    body: list[bytes] = []
    at = 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            raise BenchError("chunked body ends inside a chunk header")
        size = int(data[at:end].split(b";")[0], 16)
        at = end + 2
        if data[at + size : at + size + 2] != b"\r\n":
            raise BenchError("chunked body ends inside a chunk, or a chunk has the wrong length")
        if size == 0:
            if len(data) != at + 2:
                raise BenchError(f"{len(data) - at - 2} bytes after the end of a chunked body")
            return b"".join(body)
        body.append(data[at : at + size])
        at += size + 2


class ReplyReader:
    """Collects one reply; `feed` returns True when it is whole."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._body_at = 0
        self._length: int | None = None
        self._chunked = False
        self._status = 0
        self._headers: dict[str, str] = {}

    def feed(self, data: bytes) -> bool:
        """Add what was read; True when the reply is complete."""
        self._data += data
        if not self._body_at:
            end = self._data.find(END_OF_HEAD)
            if end < 0:
                return False
            self._body_at = end + len(END_OF_HEAD)
            self._status, self._headers = parse_head(bytes(self._data[:end]))
            self._chunked = "chunked" in self._headers.get("transfer-encoding", "").lower()
            if "content-length" in self._headers:
                self._length = int(self._headers["content-length"])
        if self._length is not None:
            return len(self._data) >= self._body_at + self._length
        return self._chunked and self._chunks_ended()

    def _chunks_ended(self) -> bool:
        """Whether the last chunk is there; the bench's texts hold no `CRLF 0 CRLF CRLF` themselves."""
        if len(self._data) == self._body_at + len(END_OF_CHUNKS):
            return self._data.endswith(END_OF_CHUNKS)
        return self._data.endswith(b"\r\n" + END_OF_CHUNKS)

    def finish(self) -> Reply:
        """The reply; raises when it is not whole, or when bytes follow it."""
        if not self._body_at:
            raise BenchError(f"connection closed inside a reply's head ({len(self._data)} bytes read)")
        body = bytes(self._data[self._body_at :])
        if self._chunked:
            body = decode_chunks(body)
        elif self._length is not None and len(body) != self._length:
            raise BenchError(f"body of {len(body)} bytes, Content-Length said {self._length}")
        return Reply(self._status, self._headers, body)


class Connection:
    """One blocking keep-alive connection to a port on loopback."""

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def exchange(self, request: bytes) -> Reply:
        """Send a request, read its reply."""
        self.socket.sendall(request)
        reader = ReplyReader()
        while data := self.socket.recv(65536):
            if reader.feed(data):
                break
        return reader.finish()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def get(port: int, path: str) -> Reply:
    """One GET on a connection of its own."""
    with Connection(port) as connection:
        return connection.exchange(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
