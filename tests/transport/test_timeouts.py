"""A provider's silence ends an exchange in time, whatever it was silent in."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.transport.gateway import Answer, Gateway, chat_body, provider

from fastgate._core import MockProvider

STREAM = chat_body(stream=True)
LONG_BEFORE_DEFAULTS_S = 5


@contextmanager
def asking(base_url: str, timeout: str, body: bytes | None = None) -> Iterator[Answer]:
    with Gateway(provider(base_url, timeout=timeout)) as gateway:
        started = time.monotonic()
        answer = gateway.chat(body)
        assert time.monotonic() - started < LONG_BEFORE_DEFAULTS_S
        assert gateway.engine.statistics()["provider_timeout"] == 1
        yield answer


@pytest.fixture
def full_listener() -> Iterator[int]:
    """A port whose queue of connections is full, so that the next one is never answered."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for client in (first, second):
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_connecting(full_listener: int) -> None:
    with asking(f"http://127.0.0.1:{full_listener}/v1", '{ connect = "200ms" }') as answer:
        error = answer.error()
        assert (answer.status, error["code"]) == (504, "provider_timeout")
        assert "m: the provider could not be connected to within 200 ms" in error["message"]


@pytest.mark.parametrize("point", ["before_headers", "after_headers", "bytes:10"])
def test_a_json_answer(mock: MockProvider, point: str) -> None:
    mock.set_script(json.dumps({"defaults": {"stall": point}}))
    with asking(f"http://{mock.address}/v1", '{ first_content = "200ms" }') as answer:
        assert (answer.status, answer.error()["code"]) == (504, "provider_timeout")
        assert "within 2" in answer.error()["message"]
    assert mock.wait(requests=1, in_flight=0)
    assert mock.requests()[0]["outcome"] == "client_closed"


def test_the_head_of_a_stream(mock: MockProvider) -> None:
    mock.set_script('{"defaults": {"stall": "before_headers"}}')
    with asking(f"http://{mock.address}/v1", '{ first_content = "200ms" }', STREAM) as answer:
        assert (answer.status, answer.error()["code"]) == (504, "provider_timeout")


@pytest.mark.parametrize(
    ("fault", "timeout", "message"),
    [
        ({"stall": "before_content"}, '{ first_content = "200ms" }', "sent no content within 2"),
        # Pings keep a stream alive, but are no content.
        (
            {"stall": "before_content", "ping_ms": 20},
            '{ first_content = "200ms" }',
            "sent no content within 2",
        ),
        # The wait for the first content was long; the gap after it must not last as long.
        ({"stall": "events:3", "gap_ms": 50}, '{ gap = "200ms" }', "sent nothing for 2"),
        (
            {"gap_ms": 20, "chunks": 500},
            '{ first_content = "300ms", total = "300ms" }',
            "had not finished its answer after 3",
        ),
    ],
)
def test_a_stream_under_way(mock: MockProvider, fault: dict[str, Any], timeout: str, message: str) -> None:
    mock.set_script(json.dumps({"defaults": fault}))
    with asking(f"http://{mock.address}/v1", timeout, STREAM) as answer:
        assert answer.status == 200
        last = answer.body.rstrip().rsplit(b"\n\n", 1)[-1]
        error = json.loads(last.removeprefix(b"data: "))["error"]
        assert error["code"] == "provider_timeout"
        assert f"m: the provider {message}" in error["message"]
        assert b"[DONE]" not in answer.body
    assert mock.wait(requests=1, in_flight=0)
    assert mock.requests()[0]["outcome"] == "client_closed"
