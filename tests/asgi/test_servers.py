"""Both applications behind the servers people run them under, over real sockets."""

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.asgi.calls import CHAT, STREAM, write_config

from fastgate._core import MockProvider

UVICORN = "import uvicorn; uvicorn.run('fastgate.asgi:app', port={port}, log_level='warning', loop='{loop}')"
GRANIAN = (
    "import pathlib; from fastgate.asgi.server import serve_granian;"
    "serve_granian(pathlib.Path({file!r}), listen='127.0.0.1:{port}', interface='{interface}')"
)
SERVERS = {
    "uvicorn-uvloop": lambda file, port: UVICORN.format(port=port, loop="uvloop"),
    "uvicorn-asyncio": lambda file, port: UVICORN.format(port=port, loop="asyncio"),
    "granian-asgi": lambda file, port: GRANIAN.format(file=str(file), port=port, interface="asgi"),
    "granian-rsgi": lambda file, port: GRANIAN.format(file=str(file), port=port, interface="rsgi"),
}
START_S = 20

Serve = Callable[[MockProvider], int]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=SERVERS)
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serve]:
    """Starts the gateway in front of a provider and returns its port."""
    running: list[tuple[subprocess.Popen[bytes], MockProvider]] = []

    def start(provider: MockProvider) -> int:
        file, port = write_config(tmp_path, provider.address), free_port()
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-c", SERVERS[request.param](file, port)],
            env={**os.environ, "FASTGATE_CONFIG": str(file)},
            stdout=log,
            stderr=log,
        )
        log.close()
        running.append((process, provider))
        ends = time.monotonic() + START_S
        while time.monotonic() < ends and process.poll() is None:
            try:
                if ask(port, "GET", "/readyz").status == 200:
                    return port
            except OSError:
                select.select([], [], [], 0.02)
        raise AssertionError((tmp_path / "log").read_text())

    yield start
    for process, provider in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in {0, -signal.SIGTERM}
        provider.stop()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, {"content-type": "application/json"})
    return connection.getresponse()


def chat(port: int, body: bytes = CHAT) -> http.client.HTTPResponse:
    return ask(port, "POST", "/v1/chat/completions", body)


def test_answers(serve: Serve) -> None:
    port = serve(MockProvider())
    whole = chat(port)
    assert whole.status == 200
    assert whole.getheader("x-fastgate-deployment") == "d"
    assert json.loads(whole.read())["choices"]
    stream = chat(port, STREAM)
    assert stream.read().endswith(b"data: [DONE]\n\n")
    assert ask(port, "GET", "/v1/models/a%2Fb").status == 404
    refused = chat(port, b"x" * 11_000_000)
    assert refused.status == 413


@pytest.mark.parametrize(
    ("body", "behaviour"), [(CHAT, {"latency_ms": 50_000}), (STREAM, {"stall": "events:3"})], ids=["waiting", "stream"]
)
def test_a_client_that_leaves_is_noticed(serve: Serve, body: bytes, behaviour: dict[str, str]) -> None:
    provider = MockProvider(**behaviour)  # type: ignore[arg-type]
    port = serve(provider)
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        client.sendall(head.encode() + body)
        if body is STREAM:
            assert client.recv(1)
        assert provider.wait(requests=1, in_flight=1)
        started = time.monotonic()
    assert provider.wait(requests=1, in_flight=0)
    assert time.monotonic() - started < 0.1
    assert provider.counts()["client_closed"] == 1


def test_a_broken_answer_breaks_the_connection(serve: Serve) -> None:
    port = serve(MockProvider(content_bytes=3_000_000, framing="chunked", cut="bytes:2000000"))
    answer = chat(port)
    assert answer.status == 200
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        answer.read()
