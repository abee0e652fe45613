"""Connections to providers are kept, replaced when they turn out dead, and bounded."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.blackbox.waiting import until
from tests.transport.gateway import Gateway, provider

from fastgate._core import MockProvider


def script(mock: MockProvider, *steps: dict[str, Any], **defaults: Any) -> None:
    mock.set_script(json.dumps({"steps": steps, "defaults": defaults}))


def outcomes(mock: MockProvider) -> list[str]:
    return [request["outcome"] for request in mock.requests()]


def base_url(mock: MockProvider) -> str:
    return f"http://{mock.address}/v1"


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_connection_serves_one_request_after_another(mock: MockProvider, framing: str) -> None:
    script(mock, framing=framing)
    with Gateway(provider(base_url(mock))) as gateway:
        assert [gateway.chat().status for _ in range(10)] == [200] * 10
    assert mock.counts()["connections_accepted"] == 1


def test_a_stream_gives_its_connection_back(mock: MockProvider) -> None:
    body = json.dumps({"model": "m", "messages": [], "stream": True}).encode()
    with Gateway(provider(base_url(mock))) as gateway:
        for _ in range(5):
            assert gateway.chat(body).body.endswith(b"data: [DONE]\n\n")
    assert mock.counts()["connections_accepted"] == 1


@pytest.mark.parametrize("fault", [{"close": "silent"}, {"close": "announced"}])
def test_connections_that_the_provider_closes_are_replaced(mock: MockProvider, fault: dict[str, Any]) -> None:
    script(mock, **fault)
    with Gateway(provider(base_url(mock))) as gateway:
        assert [gateway.chat().status for _ in range(10)] == [200] * 10
        assert gateway.engine.statistics()["answered"] == 10
    assert outcomes(mock) == ["answered"] * 10
    assert mock.counts()["connections_accepted"] == 10


@pytest.mark.parametrize("fault", [{"reset": "before_headers"}, {"cut": "before_headers"}])
def test_a_kept_connection_that_dies_under_a_request_is_replaced_once(
    mock: MockProvider, fault: dict[str, Any]
) -> None:
    script(mock, {}, fault)
    with Gateway(provider(base_url(mock))) as gateway:
        assert [gateway.chat().status for _ in range(2)] == [200, 200]
        assert gateway.engine.statistics()["answered"] == 2
    assert [outcome == "answered" for outcome in outcomes(mock)] == [True, False, True]
    # The replacement is new, and a new connection that dies is the provider's failure.
    mock.reset()
    script(mock, {}, fault | {"times": 2})
    with Gateway(provider(base_url(mock))) as gateway:
        assert gateway.chat().status == 200
        assert gateway.chat().error()["code"] == "provider_failed"
    assert len(outcomes(mock)) == 3


@pytest.mark.parametrize("fault", [{"reset": "before_headers"}, {"cut": "before_headers"}])
def test_a_new_connection_that_dies_is_not_tried_again(mock: MockProvider, fault: dict[str, Any]) -> None:
    script(mock, **fault)
    with Gateway(provider(base_url(mock))) as gateway:
        answer = gateway.chat()
    assert (answer.status, answer.error()["code"]) == (502, "provider_failed")
    assert len(outcomes(mock)) == 1


def test_a_kept_connection_that_breaks_inside_an_answer_is_not_replaced(mock: MockProvider) -> None:
    script(mock, {}, {"reset": "after_headers"})
    with Gateway(provider(base_url(mock))) as gateway:
        assert gateway.chat().status == 200
        assert gateway.chat().status == 502
    assert len(outcomes(mock)) == 2


def test_idle_connections_are_closed_in_time(mock: MockProvider) -> None:
    with Gateway(provider(base_url(mock), bounds='{ idle_timeout = "100ms" }')) as gateway:
        assert gateway.chat().status == 200
        assert mock.counts()["connections_open"] == 1
        until(lambda: mock.counts()["connections_open"] == 0, "closed when idle", within_s=5)
        assert gateway.chat().status == 200


def test_no_more_idle_connections_are_kept_than_allowed(mock: MockProvider) -> None:
    script(mock, {"times": 6, "latency_ms": 300})
    with (
        Gateway(provider(base_url(mock), bounds="{ idle_connections = 2 }")) as gateway,
        ThreadPoolExecutor(6) as clients,
    ):
        answers = [clients.submit(gateway.chat) for _ in range(6)]
        assert [answer.result().status for answer in answers] == [200] * 6
        assert mock.counts()["in_flight_max"] == 6
        until(lambda: mock.counts()["connections_open"] == 2, "two are kept")
        assert [gateway.chat().status for _ in range(4)] == [200] * 4
        assert mock.counts()["connections_accepted"] == 6


def test_a_refused_connection_is_told_at_once() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with Gateway(provider(f"http://127.0.0.1:{port}/v1")) as gateway:
            started = time.monotonic()
            answer = gateway.chat()
            assert time.monotonic() - started < 2
    error = answer.error()
    assert (answer.status, error["code"]) == (502, "provider_unreachable")
    assert "m: the provider can't be reached: connection refused" in error["message"]
