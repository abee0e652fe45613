"""The mock's shapes against recorded exchanges: it may say nothing that the vendor never said.

A shape is the set of field paths with their JSON types; every shape of the mock must be a recorded one.
"""

import itertools
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


def recorded(name: str, vendor: str = "openai") -> list[dict[str, Any]]:
    lines = (EXCHANGES / name).read_text(encoding="utf-8").splitlines()
    return [exchange for line in lines if (exchange := json.loads(line))["provider"] == vendor]


def events(text: str) -> list[Any]:
    lines = (line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: "))
    return [json.loads(line) for line in lines if line != "[DONE]"]


def post(provider: MockProvider, path: str, body: object, version: str = "v1") -> httpx.Response:
    return httpx.post(f"http://{provider.address}/{version}{path}", json=body)


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


MESSAGE = CHAT | {"max_tokens": 100}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
THINKER = json.dumps(
    {"defaults": {"reasoning": "a b", "tool_calls": [{"name": "a", "arguments": '{"city": "b"}'}]}}
)
GENERATE = "/models/gemini-2.5-flash:generateContent"
STREAM = "/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
THOUGHTS = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}


def without_arguments(value: Any) -> Any:
    """Without what the user's own schema shapes, and what Google says of one backend or of the day alone."""
    if isinstance(value, dict):
        dropped = (
            "args",
            "input",
            "createTime",
            "trafficType",
            "serviceTier",
            "avgLogprobs",
            "groundingMetadata",
        )
        return {name: without_arguments(item) for name, item in value.items() if name not in dropped}
    return [without_arguments(item) for item in value] if isinstance(value, list) else value


def shapes(values: list[Any]) -> set[frozenset[tuple[str, str]]]:
    return {shape(without_arguments(value)) for value in values}


@pytest.mark.parametrize("request_more", [{}, {"tools": [{}]}, THINKING])
def test_a_message_has_a_recorded_shape(provider: MockProvider, request_more: dict[str, Any]) -> None:
    provider.set_script(THINKER)
    answers = recorded("anthropic-messages.jsonl", "anthropic")
    known = shapes([exchange["response"].get("json") for exchange in answers])
    assert shapes([post(provider, "/messages", MESSAGE | request_more).json()]) <= known


def test_a_message_that_thinks_and_calls_has_recorded_fields(provider: MockProvider) -> None:
    provider.set_script(THINKER)
    answers = recorded("anthropic-messages.jsonl", "anthropic")
    known = frozenset().union(*shapes([exchange["response"].get("json") for exchange in answers]))
    message = post(provider, "/messages", MESSAGE | THINKING | {"tools": [{}]}).json()
    assert [block["type"] for block in message["content"]] == ["thinking", "tool_use"]
    assert shape(without_arguments(message)) <= known


@pytest.mark.parametrize("request_more", [{}, THINKING, {"tools": [{}]}])
def test_every_anthropic_event_has_a_recorded_shape_and_order(
    provider: MockProvider, request_more: dict[str, Any]
) -> None:
    provider.set_script(THINKER)
    answers = [exchange["response"] for exchange in recorded("anthropic-messages.jsonl", "anthropic")]
    streams = [answer for answer in answers if "sse" in answer]
    known = shapes([event for answer in streams for event in events(answer["sse"])])
    answer = post(provider, "/messages", MESSAGE | {"stream": True} | request_more)
    written = events(answer.text)
    assert [event for event in written if not shapes([event]) <= known] == []
    follows = {pair for answer in streams for pair in pairs(events(answer["sse"]))}
    assert pairs(written) <= follows
    assert answer.headers["content-type"] in {answer["headers"]["content-type"] for answer in streams}


def pairs(written: list[Any]) -> set[tuple[str, str]]:
    """Which kind of event follows which."""
    kinds = [event["type"] for event in written]
    return set(itertools.pairwise(kinds))


def test_anthropics_and_googles_errors_have_the_recorded_shape(provider: MockProvider) -> None:
    provider.set_script('{"defaults": {"status": 400}}')
    for vendor, name, path, version in (
        ("anthropic", "anthropic-messages.jsonl", "/messages", "v1"),
        ("google", "gemini.jsonl", GENERATE, "v1beta"),
    ):
        answers = [exchange["response"] for exchange in recorded(name, vendor)]
        refused = [answer["json"] for answer in answers if answer["status"] >= 400]
        assert shapes([post(provider, path, MESSAGE, version).json()]) == shapes(refused)


@pytest.mark.parametrize("request_more", [{}, {"tools": [{}]}])
def test_generated_content_has_recorded_fields(provider: MockProvider, request_more: dict[str, Any]) -> None:
    provider.set_script(json.dumps({"defaults": {"tool_calls": [{"name": "a", "arguments": "{}"}]}}))
    answers = [exchange["response"] for exchange in recorded("gemini.jsonl", "google")]
    known = frozenset().union(*shapes([answer.get("json") for answer in answers]))
    answer = post(provider, GENERATE, request_more, "v1beta")
    assert shape(without_arguments(answer.json())) <= known
    assert answer.headers["content-type"] in {answer["headers"]["content-type"] for answer in answers}


@pytest.mark.parametrize("tools", [[], [{}]])
def test_every_chunk_of_gemini_has_recorded_fields(provider: MockProvider, tools: list[Any]) -> None:
    provider.set_script(json.dumps({"defaults": json.loads(THINKER)["defaults"] | {"signature": "c2ln"}}))
    answers = [exchange["response"] for exchange in recorded("gemini.jsonl", "google")]
    streams = [answer for answer in answers if "sse" in answer]
    known = frozenset().union(*shapes([event for answer in streams for event in events(answer["sse"])]))
    answer = post(provider, STREAM, {"tools": tools}, "v1beta")
    written = events(answer.text)
    assert len(written) > 1
    assert frozenset().union(*shapes(written)) <= known
    assert answer.headers["content-type"] == streams[0]["headers"]["content-type"]
    assert answer.text.endswith("\r\n\r\n")
    assert streams[0]["sse"].endswith("\r\n\r\n")


def test_counts_have_the_recorded_shape(provider: MockProvider) -> None:
    for vendor, name, path, version in (
        ("anthropic", "anthropic-count-tokens.jsonl", "/messages/count_tokens", "v1"),
        ("google", "gemini-count-tokens.jsonl", "/models/m:countTokens", "v1beta"),
        ("google", "gemini-embeddings.jsonl", "/models/m:batchEmbedContents", "v1beta"),
    ):
        answers = [exchange["response"] for exchange in recorded(name, vendor)]
        known = shapes([answer["json"] for answer in answers if answer["status"] == 200])
        body = CHAT | {"requests": [{"content": {"parts": [{"text": "a"}]}}]}
        assert shapes([post(provider, path, body, version).json()]) <= known
