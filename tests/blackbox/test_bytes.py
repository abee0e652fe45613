"""What passes through comes out as it went in, to the byte, in both directions."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.blackbox.conftest import read_shared
from tests.blackbox.gateway import CHAT, Gateway, fetch
from tests.blackbox.upstream import Upstream

# Splits that fall inside line ends, field names, multi-byte letters and chunks of every size.
ODD_SPLITS = [1, 7, 2, 64, 3, 1024, 5, 333]


def masked(body: bytes) -> bytes:
    """The mock draws an id and reads the clock for every answer; lengths stay comparable."""
    body = re.sub(rb'"created":\d+', b'"created":0', body)
    return re.sub(rb'"(id|system_fingerprint)":"[^"]*"', rb'"\1":""', body)


def went_up(body: bytes) -> bytes:
    """What a provider gets of a request that `json.dumps` wrote: the same, and asked for token counts."""
    request = json.loads(body)
    options = request.get("stream_options")
    if not request.get("stream") or (options or {}).get("include_usage"):
        return body
    assert options is None, "add this form of stream_options to the test"
    return b'{"stream_options":{"include_usage":true},' + body[1:]


def came_back(body: bytes, asked: bytes) -> bytes:
    """What a client gets of a recorded stream: the same, without token counts that it did not ask for."""
    if went_up(asked) == asked:
        return body
    events = re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body)
    return b"".join(re.sub(rb',\s*"usage":\s*null', b"", event) for event in events if not counts_only(event))


def counts_only(event: bytes) -> bool:
    data = event.strip().removeprefix(b"data: ")
    if not data.startswith(b"{"):
        return False
    chunk = json.loads(data)
    return not chunk.get("choices") and bool(chunk.get("usage"))


def test_the_load_requests_pass_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    requests = read_shared("load/requests.jsonl")
    port = int(upstream.mock.address.rpartition(":")[2])
    for request in requests:
        # Some bodies as Python writes them, some as JavaScript does.
        ascii_only = request["id"][-1] in "02468"
        body = json.dumps(
            request["body"], ensure_ascii=ascii_only, separators=(", ", ": ") if ascii_only else (",", ":")
        ).encode()
        upstream.script(content_bytes=600, chunks=7)
        direct = fetch(port, "POST", CHAT, body, {"content-type": "application/json"})
        upstream.script(content_bytes=600, chunks=7)
        through = gateway.chat(body)
        assert through.status == direct.status == 200, request["id"]
        assert masked(through.body) == masked(direct.body), request["id"]
        assert through.headers["content-type"] == direct.headers["content-type"]
        seen = upstream.only()
        assert seen.body == went_up(body), request["id"]
        assert seen.path == CHAT


@pytest.mark.parametrize("splits", [[], ODD_SPLITS], ids=["whole", "odd-splits"])
def test_recorded_exchanges_pass_unchanged(gateway: Gateway, upstream: Upstream, splits: list[int]) -> None:
    wrong, unfinished = [], []
    for exchange in read_shared("wire/exchanges/openai-chat.jsonl"):
        response = exchange["response"]
        body = recorded_body(response)
        headers = {
            name: value
            for name, value in response["headers"].items()
            if name not in ("content-type", "content-length", "connection", "transfer-encoding")
        }
        upstream.answer_bytes(
            body,
            status=response["status"],
            content_type=response["headers"].get("content-type", "application/json"),
            headers=headers,
            split_bytes=splits,
        )
        asked = json.dumps(exchange["request"]["json"], ensure_ascii=False).encode()
        through = gateway.chat(asked)
        expected = came_back(body, asked) if "sse" in response else body
        if "sse" in response and (state := recorded_state(body)) != "complete":
            unfinished.append((exchange["id"], state))
            # An error that the provider sent ends a stream as it is; one that stops short ends in ours.
            expected = expected if state == "error" else expected.partition(b"data: [DONE]")[0]
            if state == "cut":
                through = replace(through, body=through.body[: len(expected)])
        if (through.status, through.body) != (response["status"], expected):
            wrong.append(f"{exchange['id']}: {through.status} {difference(through.body, expected)}")
        if upstream.only().body != went_up(asked):
            wrong.append(f"{exchange['id']}: the request changed")
    assert not wrong, "\n".join(wrong[:20])
    assert len(unfinished) <= 5, (
        f"the recordings are mostly whole, so this reader of them is wrong: {unfinished}"
    )


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai-responses", "/v1/responses"),
        ("openai-embeddings", "/v1/embeddings"),
        ("openai-completions", "/v1/completions"),
    ],
)
def test_recorded_exchanges_beside_chat_pass_unchanged(
    gateway: Gateway, upstream: Upstream, name: str, path: str
) -> None:
    wrong = []
    headers = {"content-type": "application/json", "authorization": f"Bearer {gateway.key}"}
    for exchange in read_shared(f"wire/exchanges/{name}.jsonl"):
        request, response = exchange["request"].get("json"), exchange["response"]
        # Credentials refused by the provider are a matter between it and the gateway.
        if not request or "model" not in request or response["status"] == 401:
            continue
        body = recorded_body(response)
        content_type = "text/event-stream" if "sse" in response else "application/json"
        upstream.answer_bytes(
            body, status=response["status"], content_type=content_type, split_bytes=ODD_SPLITS
        )
        # As sent when token counts were asked for already: what is spliced is chat's test.
        if name == "openai-completions" and request.get("stream"):
            request["stream_options"] = {"include_usage": True}
        through = gateway.fetch("POST", path, json.dumps(request).encode(), headers)
        if (through.status, through.body) != (response["status"], body):
            wrong.append(f"{exchange['id']}: {through.status} {difference(through.body, body)}")
        if upstream.only().body != json.dumps(request).encode():
            wrong.append(f"{exchange['id']}: the request changed")
    assert not wrong, "\n".join(wrong[:20])


def recorded_body(response: dict[str, Any]) -> bytes:
    if "sse" in response:
        text: str = response["sse"]
        return text.encode()
    return json.dumps(response["json"], ensure_ascii=False, indent=1).encode()


def recorded_state(body: bytes) -> str:
    """`complete`, `error` if the provider ended it with one, `cut` if a choice has no finish reason."""
    finished: dict[int, bool] = {}
    for line in body.decode().splitlines():
        if not line.startswith("data:") or line.endswith("[DONE]"):
            continue
        event = json.loads(line.removeprefix("data:"))
        if event.get("error"):
            return "error"
        for choice in event.get("choices") or []:
            index = choice.get("index", 0)
            finished[index] = finished.get(index, False) or bool(choice.get("finish_reason"))
    is_complete = bool(finished) and all(finished.values()) and "data: [DONE]" in body.decode()
    return "complete" if is_complete else "cut"


def difference(found: bytes, expected: bytes) -> str:
    at = next(
        (index for index, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]),
        min(len(found), len(expected)),
    )
    return f"at byte {at} of {len(expected)}: {found[at : at + 60]!r} for {expected[at : at + 60]!r}"


@pytest.mark.parametrize(
    "body",
    [
        b'{ "model" :\t"gpt-4o"\r\n, "messages":[ ]  , "x":1e400, "y": -0.0, "z": 12345678901234567890123 }',
        '{"messages":[{"role":"user","content":"\\ud83d\\ude00 ü \\/ \\u0000"}],"model":"gpt-4o"}'.encode(),
        b'{"model":"gpt-4o","messages":[],"unknown":{"a":[[[]]],"b":null}}\n\n',
    ],
)
def test_odd_but_valid_json_is_not_touched(gateway: Gateway, upstream: Upstream, body: bytes) -> None:
    assert gateway.chat(body).status == 200
    assert upstream.only().body == body


def test_crlf_comments_and_unknown_fields_of_a_stream_pass(gateway: Gateway, upstream: Upstream) -> None:
    body = (
        ": opened\r\n\r\n"
        "event: message\r\nid: 7\r\nretry: 10\r\n"
        'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"é世"}}]}\r\n\r\n'
        ": keep-alive\n\n"
        'data: {"choices":[\ndata: {"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
        "data: [DONE]\r\n\r\n"
    ).encode()
    for splits in ([], [1], ODD_SPLITS):
        upstream.answer_bytes(body, content_type="text/event-stream", split_bytes=splits)
        answer = gateway.chat(b'{"model":"gpt-4o","messages":[],"stream":true}')
        assert answer.status == 200
        assert answer.body == body


def test_a_json_answer_of_several_megabytes_passes(gateway: Gateway, upstream: Upstream) -> None:
    body = json.dumps({"choices": [], "padding": "ä" * (3 << 20)}, ensure_ascii=False).encode()
    for framing in ("length", "chunked"):
        upstream.answer_bytes(body, framing=framing)
        assert gateway.chat(b'{"model":"gpt-4o","messages":[]}').body == body
