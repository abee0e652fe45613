"""Both applications behind the servers people run them under, over real sockets."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from asgi.calls import CHAT, STREAM, write_config
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
                if ask(port, "GET", "/readyz").status_code == 200:
                    return port
            except httpx.TransportError:
                select.select([], [], [], 0.02)
        raise AssertionError((tmp_path / "log").read_text())

    yield start
    for process, provider in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in {0, -signal.SIGTERM}
        provider.stop()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return httpx.request(method, f"http://127.0.0.1:{port}{path}", content=body, headers=headers, timeout=10)


def chat(port: int, body: bytes = CHAT) -> httpx.Response:
    return ask(port, "POST", "/v1/chat/completions", body)


def test_answers(serve: Serve) -> None:
    port = serve(MockProvider())
    whole = chat(port)
    assert whole.status_code == 200
    assert whole.headers["x-fastgate-deployment"] == "d"
    assert whole.json()["choices"]
    stream = chat(port, STREAM)
    assert stream.content.endswith(b"data: [DONE]\n\n")
    assert ask(port, "GET", "/v1/models/a%2Fb").status_code == 404


def test_a_large_answer_arrives_whole(serve: Serve) -> None:
    port = serve(MockProvider(content_bytes=3_000_000, framing="chunked"))
    assert len(chat(port).json()["choices"][0]["message"]["content"]) == 3_000_000


@pytest.mark.parametrize(
    ("body", "behaviour"),
    [(CHAT, {"latency_ms": 50_000}), (STREAM, {"stall": "events:3"})],
    ids=["waiting", "stream"],
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


def test_a_broken_answer_never_looks_whole(serve: Serve) -> None:
    port = serve(MockProvider(content_bytes=3_000_000, framing="chunked", cut="bytes:2000000"))
    try:
        answer = chat(port)
    except httpx.RemoteProtocolError:
        return
    # RSGI cannot cut a connection, so there the error comes before the first byte.
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "stream_cut")


def test_a_broken_answer_of_stated_length(serve: Serve) -> None:
    port = serve(MockProvider(content_bytes=3_000_000, framing="length", cut="bytes:2000000"))
    with pytest.raises(httpx.RemoteProtocolError):
        chat(port)
