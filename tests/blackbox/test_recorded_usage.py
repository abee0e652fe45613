"""Recorded exchanges, replayed: what the gateway writes down is what the provider reported."""

import json
from typing import Any

import pytest
from tests.blackbox.conftest import read_shared
from tests.blackbox.gateway import Gateway
from tests.blackbox.records import records_of
from tests.blackbox.upstream import Upstream

# The total, and what it includes, of each side; in the words of chat and of everything younger.
INPUT = (
    ("prompt_tokens", "input_tokens"),
    ("prompt_tokens_details", "input_tokens_details"),
    {
        "cached_tokens": "cache_read_tokens",
        "cache_write_tokens": "cache_write_other_tokens",
        "audio_tokens": "input_audio_tokens",
        "image_tokens": "input_image_tokens",
    },
    "input_tokens",
)
OUTPUT = (
    ("completion_tokens", "output_tokens"),
    ("completion_tokens_details", "output_tokens_details"),
    {"reasoning_tokens": "reasoning_tokens", "audio_tokens": "output_audio_tokens"},
    "output_tokens",
)


def first(values: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name) is not None), None)


def in_classes(reported: dict[str, Any]) -> dict[str, int]:
    """A report in disjoint classes; of those that are zero only `input_tokens` and `output_tokens`."""
    if reported.keys() == {"total_tokens"}:
        return {"input_tokens": reported["total_tokens"], "output_tokens": 0}
    classes: dict[str, int] = {}
    for totals, details, parts, rest in (INPUT, OUTPUT):
        total = first(reported, totals) or 0
        inside = first(reported, details) or {}
        if details is INPUT[1] and inside.get("cached_tokens") is None:
            # Mistral's name for them.
            inside = {**inside, "cached_tokens": reported.get("num_cached_tokens")}
        taken = {name: inside.get(part) or 0 for part, name in parts.items()}
        classes |= {name: count for name, count in taken.items() if count}
        classes[rest] = total - sum(taken.values())
    return classes


def reported_usage(response: dict[str, Any]) -> dict[str, Any] | None:
    """The usage that an answer reports; of a stream, the last."""
    if "json" in response:
        return usage_in(response["json"])
    found = None
    for line in response["sse"].splitlines():
        if line.startswith("data:") and line.strip().endswith("}"):
            found = usage_in(json.loads(line.removeprefix("data:"))) or found
    return found


def usage_in(event: dict[str, Any]) -> dict[str, Any] | None:
    usage: dict[str, Any] | None = event.get("usage") or (event.get("response") or {}).get("usage")
    return usage


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai-chat", "/v1/chat/completions"),
        ("openai-responses", "/v1/responses"),
        ("openai-embeddings", "/v1/embeddings"),
        ("openai-completions", "/v1/completions"),
    ],
)
def test_usage_equals_the_recording(gateway: Gateway, upstream: Upstream, name: str, path: str) -> None:
    headers = {"content-type": "application/json", "authorization": f"Bearer {gateway.key}"}
    expected: dict[str, tuple[str, dict[str, int]]] = {}
    for exchange in read_shared(f"wire/exchanges/{name}.jsonl"):
        request, response = exchange["request"].get("json"), exchange["response"]
        if not request or "model" not in request or response["status"] != 200:
            continue
        reported = reported_usage(response)
        # What is not reported is estimated, and says so: another test's.
        if reported is None:
            continue
        is_stream = "sse" in response
        body = response["sse"] if is_stream else json.dumps(response["json"])
        content_type = "text/event-stream" if is_stream else "application/json"
        upstream.answer_bytes(body.encode(), content_type=content_type, split_bytes=[7, 333, 64])
        answer = gateway.fetch("POST", path, json.dumps(request).encode(), headers)
        expected[answer.headers["x-fastgate-request-id"]] = (exchange["id"], in_classes(reported))
    found = records_of(gateway, expected)
    wrong = [
        f"{recording}: {found[request_id]['usage']} for {classes}"
        for request_id, (recording, classes) in expected.items()
        if found[request_id]["usage"] != classes or found[request_id]["usage_estimated"]
    ]
    assert not wrong, "\n".join(wrong[:20])
    assert len(expected) > 5
