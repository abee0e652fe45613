"""Faults, errors and steps mean the same in every dialect; here over bare sockets and plain HTTP."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.mock.raw_http import connect, read_all, read_until, request_bytes, unchunked

from fastgate._core import MockProvider

STREAM = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"


@dataclass(frozen=True)
class Dialect:
    """How a stream is asked for, and how it comes."""

    path: str
    event_end: bytes
    events: int
    """Of the default answer."""
    before_content: int
    body: dict[str, Any] = field(default_factory=dict)

    def request(self, fault: str) -> bytes:
        return request_bytes(fault, self.path, **self.body)

    def post(self, provider: MockProvider, fault: str = "", **more: Any) -> httpx.Response:
        body = {"model": "claude", "messages": []} | self.body | more
        headers = {"x-mock-fault": fault} if fault else {}
        return httpx.post(f"http://{provider.address}{self.path}", json=body, headers=headers)


MESSAGES = {"stream": True, "max_tokens": 100}
DIALECTS = {
    # message_start, a block's start, ping, nine words, its stop, message_delta, message_stop
    "anthropic": Dialect("/v1/messages", b"\n\n", 15, 3, MESSAGES),
    # nine words and the end
    "gemini": Dialect(f"{STREAM}?alt=sse", b"\r\n\r\n", 10, 0),
}
ARRAY = Dialect(STREAM, b"", 11, 0)


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


def payload(provider: MockProvider, dialect: Dialect, fault: str) -> tuple[bytes, bool, str]:
    """The body, whether it was ended, and how the connection was."""
    with connect(provider) as connection:
        connection.sendall(dialect.request(f"{fault};close=silent"))
        received, ending = read_all(connection)
    return *unchunked(received.partition(b"\r\n\r\n")[2]), ending


def test_the_plain_stream_has_the_events_that_faults_are_counted_by(
    provider: MockProvider, dialect: Dialect
) -> None:
    body, complete, _ = payload(provider, dialect, "chunks=9")
    assert (body.count(dialect.event_end), complete) == (dialect.events, True)


def test_cut_at_and_inside_every_event(provider: MockProvider, dialect: Dialect) -> None:
    whole, _, _ = payload(provider, dialect, "chunks=9")
    for count in range(dialect.events + 1):
        body, complete, ending = payload(provider, dialect, f"cut=events:{count}")
        assert (body.count(dialect.event_end), complete, ending) == (count, False, "fin")
        assert body == b"" or body.endswith(dialect.event_end)
    for number in range(1, dialect.events + 1):
        body, complete, _ = payload(provider, dialect, f"cut=inside_event:{number}")
        assert (body.count(dialect.event_end), complete) == (number - 1, False)
        assert not body.endswith(dialect.event_end)
    assert whole.count(dialect.event_end) == dialect.events


def test_reset_before_content(provider: MockProvider, dialect: Dialect) -> None:
    body, complete, ending = payload(provider, dialect, "reset=before_content")
    assert (body.count(dialect.event_end), complete, ending) == (dialect.before_content, False, "reset")


@pytest.mark.parametrize("sizes", ["1", "7", "3,1,2"])
def test_any_split_carries_the_same_text(provider: MockProvider, dialect: Dialect, sizes: str) -> None:
    body, complete, _ = payload(provider, dialect, f"content=héé 世界 🌍;split_bytes={sizes}")
    texts = [line for line in body.decode().splitlines() if '"text":"' in line]
    joined = "".join(line.rpartition('"text":"')[2].partition('"')[0] for line in texts)
    assert (joined, complete) == ("héé 世界 🌍", True)


def test_an_array_may_be_cut_too(provider: MockProvider) -> None:
    whole, complete, _ = payload(provider, ARRAY, "chunks=9")
    assert (len(json.loads(whole)), complete) == (ARRAY.events - 1, True)
    body, complete, _ = payload(provider, ARRAY, "cut=events:4")
    assert (len(json.loads(body + b"]")), complete) == (4, False)
    assert not payload(provider, ARRAY, "omit=done")[0].endswith(b"]")
    answer = ARRAY.post(provider, "error_event=events:4;error.message=boom")
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    *_, last = answer.json()
    assert (len(answer.json()), last["error"]["message"]) == (5, "boom")


def test_pings_are_the_vendors(provider: MockProvider) -> None:
    fault = "stall=before_content;stall_ms=60;ping_ms=10;chunks=9"
    body, _, _ = payload(provider, DIALECTS["anthropic"], fault)
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    assert 2 <= body.count(ping) <= 7
    assert b": mock" not in body
    body, _, _ = payload(provider, DIALECTS["gemini"], fault)
    assert 1 <= body.count(b": mock ping\r\n\r\n") <= 6
    body, _, _ = payload(provider, ARRAY, fault)
    assert len(json.loads(body)) == 10


def test_a_stream_takes_first_token_and_gaps(provider: MockProvider, dialect: Dialect) -> None:
    assert dialect.post(provider, "first_token_ms=20;gap_ms=5;chunks=5").status_code == 200
    assert provider.wait(in_flight=0)
    (record,) = provider.requests()
    assert record["ended_after_ms"] is not None
    assert record["ended_after_ms"] >= 40


@pytest.mark.parametrize("garbage", ["html", "empty", "invalid_json"])
def test_garbage_comes_with_status_200(provider: MockProvider, dialect: Dialect, garbage: str) -> None:
    answer = dialect.post(provider, f"garbage={garbage}")
    assert answer.status_code == 200
    assert answer.content.count(dialect.event_end) <= 1


def test_bad_json_and_unknown_paths_are_refused_like_the_vendor(provider: MockProvider) -> None:
    address = f"http://{provider.address}"
    anthropic = httpx.post(f"{address}/v1/messages", content=b"{")
    assert (anthropic.status_code, anthropic.json()["error"]["type"]) == (400, "invalid_request_error")
    assert anthropic.headers["request-id"] == anthropic.json()["request_id"]
    for path in ("generateContent", "countTokens", "embedContent", "batchEmbedContents"):
        gemini = httpx.post(f"{address}/v1beta/models/m:{path}", content=b"{")
        assert (gemini.status_code, gemini.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    nothing = httpx.get(f"{address}/v1beta/nothing")
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, 404)


def test_limits_are_told_in_each_vendors_own_way(provider: MockProvider) -> None:
    limits = (
        "rate_limits.requests=50;rate_limits.remaining_requests=0;rate_limits.reset_s=90;"
        "rate_limits.retry_after_s=7"
    )
    anthropic = DIALECTS["anthropic"].post(provider, f"status=429;{limits}")
    assert anthropic.headers["anthropic-ratelimit-requests-limit"] == "50"
    assert anthropic.headers["anthropic-ratelimit-requests-remaining"] == "0"
    assert anthropic.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert anthropic.headers["retry-after"] == "7"
    gemini = DIALECTS["gemini"].post(provider, f"status=429;{limits}")
    assert not [name for name in gemini.headers if "retry" in name or "ratelimit" in name]
    assert gemini.json()["error"]["details"][0]["retryDelay"] == "7s"
    openai = Dialect("/v1/chat/completions", b"", 0, 0)
    told = openai.post(provider, f"status=429;{limits};headers.retry-after=9").headers
    assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-reset-requests"]) == ("50", "1m30s")
    assert told.get_list("retry-after") == ["9"]
    streamed = DIALECTS["anthropic"].post(provider, f"{limits};headers.retry-after=9").headers
    assert streamed["anthropic-ratelimit-requests-limit"] == "50"
    assert streamed.get_list("retry-after") == ["9"]


def test_steps_know_geminis_model_and_stream_and_every_path(provider: MockProvider) -> None:
    steps = [
        {"when": {"model": "gemini-2.5-*", "stream": True}, "times": "always", "status": 501},
        {"when": {"path": "/v1beta/models/*:countTokens"}, "status": 504},
        {"when": {"path": "/v1/messages", "stream": False}, "status": 529},
    ]
    provider.set_script(json.dumps({"steps": steps}))
    gemini = "/v1beta/models/gemini-2.5-flash"
    asked = [f"{gemini}:streamGenerateContent", f"{gemini}:countTokens", f"{gemini}:generateContent"]
    asked += ["/v1beta/models/other:streamGenerateContent", "/v1/messages", "/v1/messages"]
    body = {"model": "claude", "max_tokens": 9}
    answers = [httpx.post(f"http://{provider.address}{path}", json=body) for path in asked]
    assert [answer.status_code for answer in answers] == [501, 504, 200, 200, 529, 200]
    assert [record["path"] for record in provider.requests()] == asked


def test_the_connection_serves_every_dialect_in_turn(provider: MockProvider) -> None:
    with connect(provider) as connection:
        first, second = (DIALECTS[name].request("gap_ms=1") for name in ("anthropic", "gemini"))
        connection.sendall(first + second + request_bytes(stream=False))
        received = read_until(connection, b'"object":"chat.completion",')
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert provider.counts()["connections_accepted"] == 1
