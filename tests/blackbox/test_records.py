"""docs/records.md is what a gateway writes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, Answer, Gateway, chat_body
from tests.blackbox.records import records_of
from tests.blackbox.upstream import Upstream

MANUAL = (Path(__file__).parents[2] / "docs" / "records.md").read_text()


def documented(section: str) -> set[str]:
    return {
        name
        for cell in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }


CHAIN = """
[deployments.first]
provider = "upstream"
model = "m-first"
[deployments.second]
provider = "upstream"
model = "m-second"
[models.chat]
budget = "10s"
use = ["first", "second"]
[tenants.acme]
[prices."m-second"]
input = 1
output = 2
"""
# A drill, a limit that sends requests elsewhere and counts of tokens leave theirs in tests of their own.
LEFT_OUT = {"drill", "downgraded_to", "counted_by"}


def test_every_field_is_in_the_manual_and_every_row_is_a_field(
    door: str, upstream: Upstream, start: Start
) -> None:
    config = configuration.provider(upstream.base_url) + CHAIN + configuration.key_table(KEY)
    gateway = start(door, config)
    headers = {
        "content-type": "application/json",
        "authorization": f"Bearer {gateway.key}",
        "x-fastgate-tags": "team=search, experiment=b",
        "x-fastgate-user": "ann",
        "helicone-session-id": "s-1",
        "x-fastgate-feature": "search",
    }
    usage = {"prompt_tokens": 3, "completion_tokens": 1, "cost": 0.5}
    choice = {"index": 0, "message": {"content": "Hi"}, "finish_reason": "length"}
    upstream.script({"status": 500}, {"body": {"choices": [choice], "usage": usage}})
    answer = gateway.fetch("POST", CHAT, chat_body(model="chat"), headers)
    (record,) = records_of(gateway, {answer.headers["x-fastgate-request-id"]}).values()
    assert record.keys() | LEFT_OUT == documented(MANUAL.partition("## Whose it is")[0])
    assert record["tags"] == {"team": "search", "experiment": "b"}
    assert (record["user"], record["session"], record["feature"]) == ("ann", "s-1", "search")
    assert record["usage"].keys() <= set(re.findall(r"`(\w+_tokens)`", MANUAL))
    stages = re.search(r"\| `stages_us` \| (.+) \|", MANUAL)
    assert stages
    assert list(record["stages_us"]) == re.findall(r"`(\w+)`", stages[1])
    assert sum(record["stages_us"].values()) <= record["total_us"] + len(record["stages_us"])


def ask(gateway: Gateway, path: str, body: bytes, **more: str) -> Answer:
    headers = {"content-type": "application/json", "authorization": f"Bearer {gateway.key}", **more}
    return gateway.fetch("POST", path, body, headers)


def record_of(gateway: Gateway, answer: Answer) -> dict[str, Any]:
    request_id = answer.headers["x-fastgate-request-id"]
    return records_of(gateway, {request_id})[request_id]


def events(*data: dict[str, Any]) -> bytes:
    return b"".join(f"data: {json.dumps(one)}\n\n".encode() for one in data)


def ended(path: str, stream: bool, *, truncated: bool) -> bytes:
    """An answer that ended at the limit of output tokens, or as it should."""
    reason = "length" if truncated else "stop"
    if path.endswith("responses"):
        response: dict[str, Any] = {
            "id": "resp_1",
            "status": "incomplete" if truncated else "completed",
            "max_output_tokens": 16,
            "incomplete_details": {"reason": "max_output_tokens"} if truncated else None,
            "output": [],
            "usage": {"input_tokens": 3, "output_tokens": 16},
        }
        kind = "response.incomplete" if truncated else "response.completed"
        return events({"type": kind, "response": response}) if stream else json.dumps(response).encode()
    content = {"text": 'a "length"'} if path.endswith("v1/completions") else {}
    choice = {"index": 0, "finish_reason": reason, **content}
    if not stream:
        return json.dumps({"choices": [{"message": {"content": 'a "length"'}, **choice}]}).encode()
    begun = {"index": 0, "delta": {"content": "a"}, "finish_reason": None, **content}
    return events({"choices": [begun]}, {"choices": [{"delta": {}, **choice}]}) + b"data: [DONE]\n\n"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/responses"])
def test_an_answer_that_the_limit_of_output_cut_is_marked(
    gateway: Gateway, upstream: Upstream, path: str, stream: bool
) -> None:
    body = json.dumps({"model": "gpt-4o", "messages": [], "prompt": "", "input": "", "stream": stream})
    for truncated in (True, False):
        upstream.answer_bytes(
            ended(path, stream, truncated=truncated),
            content_type="text/event-stream" if stream else "application/json",
            split_bytes=[7, 64],
        )
        answer = ask(gateway, path, body.encode())
        assert answer.status == 200
        record = record_of(gateway, answer)
        assert (record["outcome"], record.get("truncated")) == ("answered", True if truncated else None)


def test_equal_bodies_have_equal_hashes(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script()
    bodies = [chat_body(), chat_body(), chat_body(n=1), b" " + chat_body()]
    hashes = [record_of(gateway, ask(gateway, CHAT, body))["prompt_hash"] for body in bodies]
    assert all(re.fullmatch("[0-9a-f]{16}", number) for number in hashes)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    # Neither what was refused nor a form tells of a prompt that a model has seen.
    refused = ask(gateway, CHAT, b'{"messages": []}')
    assert (refused.status, record_of(gateway, refused).get("prompt_hash")) == (400, None)


@pytest.mark.parametrize("stream", [False, True])
def test_a_repeat_says_whose_it_is_and_is_not_charged(
    gateway: Gateway, upstream: Upstream, stream: bool
) -> None:
    upstream.script()
    names = {"x-fastgate-feature": "search", "x-fastgate-session": "s-1", "x-fastgate-tags": "a=b"}
    repeated = {"idempotency-key": f"whose-{gateway.door}-{stream}", **names}
    body = chat_body(stream=stream, user="ann")
    first, second = (record_of(gateway, ask(gateway, CHAT, body, **repeated)) for _ in range(2))
    same = ("tenant", "user", "feature", "session", "key", "tags", "model", "stream", "request_bytes")
    assert [second[name] for name in same] == [first[name] for name in same]
    assert (second["user"], second["session"], second["model"]) == ("ann", "s-1", "gpt-4o")
    assert (second["attempts"], second["usage"], second["cost_pusd"]) == (0, None, 0)
    assert (second["deployment"], second.get("prompt_hash")) == (None, None)
    other = ask(gateway, CHAT, chat_body(n=1, user="bob"), **repeated)
    assert other.status == 422
    refused = record_of(gateway, other)
    assert (refused["user"], refused["feature"], refused["model"]) == ("bob", "search", "gpt-4o")
