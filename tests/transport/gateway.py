"""An engine in this process: what the operating system knows of its sockets and threads can be looked at."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from fastgate._core import Engine
from fastgate.config import compile_tables, load_text

CHAT = "/v1/chat/completions"
CLIENT_TIMEOUT_S = 20.0
Address = tuple[str, int]


def split(address: str) -> Address:
    host, port = address.rsplit(":", 1)
    return host, int(port)


def chat_body(**more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hello"}], **more}).encode()


def provider(base_url: str, *more: str, timeout: str = "{}", bounds: str = "{}") -> str:
    """A configuration with one deployment, `m`; `more` are lines of its provider."""
    return "\n".join(
        [
            f"[server]\nbounds = {bounds}",
            f'[providers.upstream]\nbase_url = "{base_url}"\napi_key = "sk-upstream"',
            *more,
            f'[deployments.m]\nprovider = "upstream"\nmodel = "m"\ntimeout = {timeout}\nretries = 0',
        ]
    )


def make_engine(config: str) -> Engine:
    return Engine(compile_tables(load_text(config, {})))


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error


class Gateway:
    """An engine that serves until its `with` block ends."""

    def __init__(
        self, config: str, *, threads: int = 1, certificate: str | None = None, key: str | None = None
    ) -> None:
        self.engine = make_engine(config)
        listen, admin = self.engine.serve(
            listen="127.0.0.1:0",
            admin="127.0.0.1:0",
            threads=threads,
            tls_certificate=certificate,
            tls_key=key,
        )
        assert admin is not None
        self.address, self.admin = split(listen), split(admin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.engine.stop(0)

    def reload(self, config: str) -> None:
        """Put another configuration in force; ValueError if the engine refuses it."""
        self.engine.reload(compile_tables(load_text(config, {})))

    def chat(self, body: bytes | None = None, tls: ssl.SSLContext | None = None) -> Answer:
        """One request over HTTP/1.1 on a connection of its own."""
        host, port = self.address
        connection = (
            http.client.HTTPSConnection("localhost", port, timeout=CLIENT_TIMEOUT_S, context=tls)
            if tls
            else http.client.HTTPConnection(host, port, timeout=CLIENT_TIMEOUT_S)
        )
        try:
            connection.request("POST", CHAT, body or chat_body(), {"content-type": "application/json"})
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    @contextmanager
    def stream(self) -> Iterator[socket.socket]:
        """A connection on which a stream was asked for."""
        body = chat_body(stream=True)
        with socket.create_connection(self.address, timeout=CLIENT_TIMEOUT_S) as connection:
            head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            yield connection

    def ask_admin(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(*self.admin, timeout=CLIENT_TIMEOUT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def connections_by_core(self) -> list[int]:
        """What /metrics says of client connections."""
        lines = self.ask_admin("/metrics")[1].splitlines()
        return [
            int(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("fastgate_client_connections{")
        ]


def read_until(connection: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        piece = connection.recv(65536)
        assert piece, f"closed before {end!r} came: {received!r}"
        received += piece
    return received
