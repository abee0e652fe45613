"""The gateway's own headers and refusals."""

from typing import Any

import pytest
from tests.blackbox import configuration
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, Answer, Gateway, chat_body
from tests.blackbox.upstream import Upstream


@pytest.mark.parametrize("stream", [False, True])
def test_every_answer_says_how_it_came_about(
    named_gateway: Gateway, upstream: Upstream, stream: bool
) -> None:
    answers = [named_gateway.chat(chat_body("fast", stream=stream)) for _ in range(3)]
    for answer in answers:
        assert answer.headers["x-fastgate-deployment"] == "alpha"
        assert answer.headers["x-fastgate-attempts"] == "1"
        assert 0 <= int(answer.headers["x-fastgate-overhead-us"]) < 1_000_000
    assert len({answer.headers["x-fastgate-request-id"] for answer in answers}) == 3


def test_time_spent_waiting_for_the_provider_is_not_overhead(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(latency_ms=300)
    overheads = [int(gateway.chat(chat_body()).headers["x-fastgate-overhead-us"]) for _ in range(3)]
    assert min(overheads) < 100_000


def assert_refused(answer: Answer, status: int, code: str | None = None) -> dict[str, Any]:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-fastgate-request-id"]
    error = answer.error()
    if code:
        assert error["code"] == code
    return error


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b'{"model":"gpt-4o","messages":[]',
        b'{"model":"gpt-4o","messages":[],}',
        b'{"model":"gpt-4o","messages":[]} x',
        b'{"model":"gpt-4o","messages":[NaN]}',
        b'{"model":"gpt-4o","messages":[{"content":"\xff\xfe"}]}',
        b'{"model":"gpt-4o","model":"gpt-4o-mini","messages":[]}',
        b'{"model":"gpt-4o","messages":[],"\\u006dodel":"gpt-4o-mini"}',
        b'{"model":"gpt-4o","messages":[],"messages":[]}',
        b'{"messages":[]}',
        b'{"model":"","messages":[]}',
        b'{"model":7,"messages":[]}',
        b'{"model":"gpt-4o","messages":[],"stream":"yes"}',
        b'{"model":"gpt-4o","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_request_that_cannot_be_read(gateway: Gateway, upstream: Upstream, body: bytes) -> None:
    error = assert_refused(gateway.chat(body), 400)
    assert error["type"] == "invalid_request_error"
    assert upstream.seen() == []


def test_a_request_names_the_field_at_fault(gateway: Gateway) -> None:
    assert gateway.chat(b'{"messages":[]}').error()["param"] == "model"
    assert gateway.chat(b'{"model":"m","stream":1}').error()["param"] == "stream"


def test_a_body_over_the_bound(door: str, start: Start, upstream: Upstream) -> None:
    bound = 100_000
    gateway = start(
        door,
        configuration.open_provider(upstream.base_url),
        settings=f'bounds = {{ request_body = "{bound}B" }}\n',
    )
    empty = len(chat_body(padding=""))
    assert gateway.chat(chat_body(padding="x" * (bound - empty))).status == 200
    upstream.script()
    for body in (chat_body(padding="x" * (bound - empty + 1)), chat_body(padding="x" * bound * 50)):
        assert_refused(gateway.chat(body), 413, "request_too_large")
    with_chunks = _chunked(gateway, chat_body(padding="x" * bound * 2))
    assert with_chunks.startswith(b"HTTP/1.1 413 ")
    assert upstream.seen() == []
    assert gateway.chat(chat_body()).status == 200


def _chunked(gateway: Gateway, body: bytes) -> bytes:
    """The start of the answer to a body whose length is not announced."""
    connection = gateway.send_chunked(body)
    with connection:
        return connection.recv(65_536)


def test_what_is_not_there(gateway: Gateway) -> None:
    assert_refused(gateway.fetch("GET", "/nothing"), 404)
    assert_refused(gateway.fetch("POST", "/v1/nothing", b"{}"), 404)
    answer = gateway.fetch("GET", CHAT)
    assert_refused(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert_refused(gateway.fetch("DELETE", "/v1/models"), 405)


def test_health(gateway: Gateway) -> None:
    for path in ("/livez", "/readyz"):
        assert gateway.fetch("GET", path, None, {}).status == 200


def test_a_keyless_gateway_serves_this_machine_only(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, configuration.keyless(upstream.base_url), key=None)
    assert gateway.chat(chat_body()).status == 200
    # Whatever credential a local client has is dropped.
    assert gateway.chat(chat_body(), {"authorization": "Bearer sk-of-the-client"}).status == 200
    for seen in upstream.seen():
        assert "sk-of-the-client" not in str(seen.headers)
    upstream.script()
    for name, value in [
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "for=192.0.2.1"),
        ("x-real-ip", "192.0.2.1"),
        ("x-forwarded-host", "example.com"),
    ]:
        assert_refused(gateway.chat(chat_body(), {name: value}), 403)
    for name, value in [
        ("host", "attacker.example"),
        ("origin", "https://attacker.example"),
        ("origin", "null"),
    ]:
        assert_refused(gateway.chat(chat_body(), {name: value}), 403)
        assert_refused(gateway.fetch("GET", "/v1/models", None, {name: value}), 403)
    assert upstream.seen() == []
    assert gateway.chat(chat_body(), {"origin": "http://localhost:3000"}).status == 200
