"""The mock's shapes against recorded exchanges: it may say nothing that the vendor never said.

A shape is the set of field paths with their JSON types; every shape of the mock must be a recorded one.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.mock.raw_http import CHAT

from fastgate._core import MockProvider

EXCHANGES = Path(__file__).parents[3] / "shared" / "fixtures" / "wire" / "exchanges"

pytestmark = pytest.mark.skipif(not EXCHANGES.is_dir(), reason="recorded exchanges (../shared) are not here")


# Text in one recording, null in the next, whatever else the answer has.
NULLABLE = {".system_fingerprint"}


def shape(value: Any, path: str = "") -> frozenset[tuple[str, str]]:
    """Every field's path with its type, the elements of a list as one."""
    if path in NULLABLE:
        return frozenset({(path, "nullable")})
    if isinstance(value, dict):
        inner = [shape(item, f"{path}.{name}") for name, item in value.items()]
        return frozenset({(path, "object")}).union(*inner)
    if isinstance(value, list):
        return frozenset({(path, "list")}).union(*(shape(item, f"{path}[]") for item in value))
    return frozenset({(path, "number" if isinstance(value, int | float) else type(value).__name__)})


def recorded(name: str) -> list[dict[str, Any]]:
    lines = (EXCHANGES / name).read_text(encoding="utf-8").splitlines()
    return [exchange for line in lines if (exchange := json.loads(line))["provider"] == "openai"]


def events(text: str) -> list[Any]:
    lines = (line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: "))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def post(provider: MockProvider, path: str, body: object) -> httpx.Response:
    return httpx.post(f"http://{provider.address}/v1{path}", json=body)


def test_a_whole_answer_has_a_recorded_shape(provider: MockProvider) -> None:
    known = {shape(exchange["response"].get("json")) for exchange in recorded("openai-chat.jsonl")}
    assert shape(post(provider, "/chat/completions", CHAT).json()) in known


def test_tool_calls_have_a_recorded_shape(provider: MockProvider) -> None:
    provider.set_script('{"defaults": {"tool_calls": [{"name": "a", "arguments": "{}"}]}}')
    known = {shape(exchange["response"].get("json")) for exchange in recorded("openai-chat.jsonl")}
    assert shape(post(provider, "/chat/completions", CHAT | {"tools": [{}]}).json()) in known


@pytest.mark.parametrize("include_usage", [False, True])
@pytest.mark.parametrize("tools", [False, True])
def test_every_stream_event_has_a_recorded_shape(
    provider: MockProvider, include_usage: bool, tools: bool
) -> None:
    provider.set_script('{"defaults": {"tool_calls": [{"name": "a", "arguments": "{\\"b\\": 1}"}]}}')
    streams = [exchange for exchange in recorded("openai-chat.jsonl") if "sse" in exchange["response"]]
    known = {shape(event) for exchange in streams for event in events(exchange["response"]["sse"])}
    request = CHAT | {"stream": True, "stream_options": {"include_usage": include_usage}}
    answer = post(provider, "/chat/completions", request | ({"tools": [{}]} if tools else {}))
    written = events(answer.text)
    assert len(written) > 3
    assert [event for event in written if shape(event) not in known] == []
    assert answer.text.endswith("data: [DONE]\n\n")
    recorded_type = streams[0]["response"]["headers"]["content-type"]
    assert answer.headers["content-type"] == recorded_type


def test_errors_have_the_recorded_fields(provider: MockProvider) -> None:
    answers = [exchange["response"] for exchange in recorded("openai-chat.jsonl")]
    refused = [answer["json"] for answer in answers if answer["status"] >= 400]
    provider.set_script('{"defaults": {"status": 400}}')
    error = post(provider, "/chat/completions", CHAT).json()
    assert {frozenset(body["error"]) for body in refused} == {frozenset(error["error"])}


def test_embeddings_have_a_recorded_shape(provider: MockProvider) -> None:
    known = {shape(exchange["response"]["json"]) for exchange in recorded("openai-embeddings.jsonl")}
    request = {"model": "text-embedding-3-small", "input": ["a", "b"], "encoding_format": "base64"}
    assert shape(post(provider, "/embeddings", request).json()) in known
