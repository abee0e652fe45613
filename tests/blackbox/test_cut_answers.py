"""An answer that breaks off never looks complete, wherever it breaks."""

import json
from typing import Any

import openai
import pytest
from tests.blackbox import configuration
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Answer, Gateway, chat_body, free_port
from tests.blackbox.upstream import Upstream

DONE = b"data: [DONE]"
CUTS: list[dict[str, Any]] = [
    {"cut": "inside_event:3"},
    {"cut": "inside_event:5", "framing": "close"},
    {"cut": "events:3"},
    {"cut": "events:3", "framing": "close"},
    {"cut": "bytes:700"},
    {"reset": "events:3"},
    {"reset": "inside_event:4"},
    {"omit": ["finish_reason", "done"]},
    {"omit": ["finish_reason"]},
]


def events(body: bytes) -> list[bytes]:
    return [event for event in body.split(b"\n\n") if event]


def assert_ends_as_an_error(answer: Answer) -> dict[str, Any]:
    """The last event is an error in OpenAI's shape, and nothing says success."""
    last = events(answer.body)[-1]
    assert last.startswith(b"data: "), last
    error: dict[str, Any] = json.loads(last.removeprefix(b"data: "))["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert DONE not in last
    return error


@pytest.mark.parametrize("fault", CUTS, ids=str)
def test_a_stream_that_breaks_off_ends_as_an_error(
    gateway: Gateway, upstream: Upstream, fault: dict[str, Any]
) -> None:
    upstream.script(content="one two three four five six seven eight", chunks=8, **fault)
    answer = gateway.chat(chat_body(stream=True))
    assert answer.status == 200
    assert_ends_as_an_error(answer)
    # SDKs stop reading at [DONE]: what follows it, they never see.
    assert DONE not in answer.body
    for event in events(answer.body):
        json.loads(event.removeprefix(b"data: "))


@pytest.mark.parametrize("fault", CUTS, ids=str)
def test_the_sdk_raises(gateway: Gateway, upstream: Upstream, fault: dict[str, Any]) -> None:
    upstream.script(content="one two three four five six seven eight", chunks=8, **fault)
    with gateway.client() as client:
        chunks = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        with pytest.raises(openai.APIError):
            list(chunks)


@pytest.mark.parametrize("fault", [{"cut": "before_content"}, {"reset": "after_headers"}], ids=str)
def test_a_stream_that_breaks_off_before_content(
    gateway: Gateway, upstream: Upstream, fault: dict[str, Any]
) -> None:
    upstream.script(content="one two three", **fault)
    answer = gateway.chat(chat_body(stream=True))
    if answer.status == 200:
        assert_ends_as_an_error(answer)
        assert DONE not in answer.body
    else:
        assert answer.status in (502, 504)
        answer.error()


def test_one_choice_of_two_unfinished_is_not_complete(gateway: Gateway, upstream: Upstream) -> None:
    def chunk(index: int, finish: str | None) -> bytes:
        choice = {"index": index, "delta": {"content": "a"}, "finish_reason": finish}
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    body = chunk(0, None) + chunk(1, None) + chunk(0, "stop")
    upstream.answer_bytes(body, content_type="text/event-stream")
    answer = gateway.chat(chat_body(stream=True, n=2))
    assert answer.body.startswith(body)
    assert_ends_as_an_error(answer)
    assert DONE not in answer.body


@pytest.mark.parametrize("fault", [{"omit": ["done"]}, {"omit": ["done"], "framing": "close"}], ids=str)
def test_a_missing_end_mark_alone_is_added(
    gateway: Gateway, upstream: Upstream, fault: dict[str, Any]
) -> None:
    upstream.script(content="one two three", **fault)
    answer = gateway.chat(chat_body(stream=True))
    assert answer.status == 200
    assert answer.body.count(DONE) == 1
    assert answer.body.endswith(b"data: [DONE]\n\n")
    assert b'"error"' not in answer.body


@pytest.mark.parametrize(
    "fault",
    [
        {"cut": "bytes:40"},
        {"cut": "bytes:40", "framing": "chunked"},
        {"reset": "bytes:40"},
        {"reset": "after_headers"},
        {"reset": "before_headers"},
        {"cut": "before_headers"},
        {"garbage": "html"},
        {"garbage": "invalid_json", "framing": "length"},
        {"garbage": "empty"},
        {"garbage": "not_http"},
        {"status": 302, "headers": {"location": "http://127.0.0.1:9/"}},
    ],
    ids=str,
)
def test_a_broken_json_answer_is_a_gateway_error(
    gateway: Gateway, upstream: Upstream, fault: dict[str, Any]
) -> None:
    upstream.script(content="one two three four five", **fault)
    answer = gateway.chat(chat_body())
    assert answer.status in (502, 504)
    assert answer.error()["type"] == "server_error"


def test_after_a_broken_answer_the_next_one_is_whole(door: str, start: Start, upstream: Upstream) -> None:
    # A gateway of its own: a connection kept from an earlier test would be replaced silently.
    gateway = start(door, configuration.open_provider(upstream.base_url))
    upstream.script({"reset": "before_headers"}, {"cut": "bytes:9"}, {"garbage": "not_http"}, content="well")
    assert [gateway.chat(chat_body()).status for _ in range(5)] == [502, 502, 502, 200, 200]


def test_an_unreachable_provider_is_a_gateway_error(door: str, start: Start) -> None:
    gateway = start(door, configuration.open_provider(f"http://127.0.0.1:{free_port()}/v1"))
    for stream in (False, True):
        answer = gateway.chat(chat_body(stream=stream))
        assert answer.status == 502
        assert answer.error()["code"] == "provider_unreachable"
