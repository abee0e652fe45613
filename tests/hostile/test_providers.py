"""Providers that answer with what nobody asked for, and requests that would like to choose their provider."""

import gzip
import json
from typing import Any

import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY, PROVIDER_KEY
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Gateway, chat_body, free_port
from tests.blackbox.upstream import Upstream

KEYED = {"authorization": f"Bearer {KEY}"}
# What reaches a provider: nothing of the client's but what the dialect says.
SENT = {
    "host",
    "authorization",
    "content-type",
    "content-length",
    "accept",
    "accept-encoding",
    "traceparent",
    "user-agent",
}


@pytest.mark.parametrize("stream", [False, True])
def test_a_compressed_answer(gateway: Gateway, upstream: Upstream, stream: bool) -> None:
    upstream.answer_bytes(
        gzip.compress(b'{"choices":[]}'),
        content_type="text/event-stream" if stream else "application/json",
        headers={"content-encoding": "gzip"},
    )
    answer = gateway.chat(chat_body(stream=stream))
    assert (answer.status, answer.error()["code"]) == (502, "provider_failed")
    assert "compressed" in answer.error()["message"]
    assert upstream.only().header("accept-encoding") == "identity"


def test_headers_without_end(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answer_bytes(b"{}", headers={f"x-{number}": "a" * 2000 for number in range(90)})
    answer = gateway.chat(chat_body())
    assert (answer.status, answer.error()["code"]) == (502, "provider_failed")
    upstream.script()
    assert gateway.chat(chat_body()).status == 200


def test_an_answer_without_end(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(
        door,
        configuration.open_provider(upstream.base_url),
        settings='bounds = { answer_body = "100KB" }\n',
    )
    upstream.script(content_bytes=90_000)
    assert gateway.chat(chat_body()).status == 200
    upstream.script(content_bytes=200_000, chunks=200)
    answer = gateway.chat(chat_body())
    assert (answer.status, answer.error()["code"]) == (502, "provider_failed")
    answer = gateway.chat(chat_body(stream=True))
    assert answer.status == 200
    last = answer.body.rstrip().rsplit(b"\n\n", 1)[-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "provider_failed"
    assert len(answer.body) < 110_000
    assert upstream.mock.wait(in_flight=0)


def test_no_header_leads_elsewhere(gateway: Gateway, upstream: Upstream) -> None:
    """Headers by which other gateways let a request choose its provider, or send it something."""
    elsewhere = f"http://127.0.0.1:{free_port()}/v1"
    for name in (
        "x-portkey-custom-host",
        "x-portkey-config",
        "helicone-target-url",
        "helicone-openai-api-base",
        "x-litellm-api-base",
        "x-base-url",
        "x-bf-base-url",
        "openai-api-base",
    ):
        upstream.script()
        assert gateway.chat(chat_body(), {**KEYED, name: elsewhere}).status == 200, name
        seen = upstream.only()
        assert elsewhere not in str(seen.headers)
        assert {key for key, _ in seen.headers} <= SENT


@pytest.mark.parametrize("field", ["api_base", "base_url", "custom_host", "endpoint"])
def test_no_field_leads_elsewhere(gateway: Gateway, upstream: Upstream, field: str) -> None:
    elsewhere = f"http://127.0.0.1:{free_port()}/v1"
    more: dict[str, Any] = {field: elsewhere}
    assert gateway.chat(chat_body(**more)).status == 200
    upstream.only()


def test_what_goes_up(gateway: Gateway, upstream: Upstream) -> None:
    """Headers between two hops stay there, and so does everything else of the client's."""
    more = {
        "connection": "x-hop, keep-alive",
        "keep-alive": "timeout=5",
        "x-hop": "1",
        "te": "trailers",
        "proxy-authorization": "Basic Zm9v",
        "cookie": "session=1",
        "x-forwarded-for": "192.0.2.1",
        "openai-organization": "org-of-the-client",
        "accept-encoding": "gzip",
        "user-agent": "client/1",
        "x-api-key": "client-key",
    }
    assert gateway.chat(chat_body(), {**KEYED, **more}).status == 200
    seen = upstream.only()
    assert {name for name, _ in seen.headers} <= SENT
    assert seen.header("authorization") == f"Bearer {PROVIDER_KEY}"
    assert "client" not in str([value for name, value in seen.headers if name != "host"])


def test_what_comes_down(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answer_bytes(
        b'{"choices":[{}]}',
        headers={
            "set-cookie": "a=1",
            "server": "vendor",
            "openai-organization": "org",
            "cf-ray": "1",
            "access-control-allow-origin": "*",
            "strict-transport-security": "max-age=1",
            "x-internal": "10.0.0.1",
            "x-ratelimit-remaining-requests": "7",
            "x-request-id": "req_1",
        },
    )
    answer = gateway.chat(chat_body())
    assert answer.headers["x-ratelimit-remaining-requests"] == "7"
    own = {name for name in answer.headers if name.startswith("x-fastgate-")}
    allowed = {"content-type", "content-length", "date", "server", "connection", "x-request-id"}
    assert set(answer.headers) - own <= allowed | {"x-ratelimit-remaining-requests"}
    assert answer.headers.get("server") != "vendor"


def test_what_a_failed_connection_tells(door: str, start: Start) -> None:
    port = free_port()
    gateway = start(door, configuration.open_provider(f"http://127.0.0.1:{port}/v1"))
    answer = gateway.chat(chat_body())
    assert (answer.status, answer.error()["code"]) == (502, "provider_unreachable")
    message = answer.error()["message"]
    assert message.endswith("the provider can't be reached: connection refused")
    for internal in ("127.0.0.1", str(port), "os error", "Error", "{"):
        assert internal not in message


def test_requests_beyond_the_bound(door: str, start: Start, upstream: Upstream) -> None:
    upstream.script({"stall": "before_headers"})
    gateway = start(
        door, configuration.open_provider(upstream.base_url), settings="bounds = { in_flight = 1 }\n"
    )
    with gateway.send_chat(chat_body()):
        assert upstream.mock.wait(requests=1, in_flight=1)
        refused = gateway.chat(chat_body())
        assert (refused.status, refused.error()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert gateway.fetch("GET", "/livez", None, {}).status == 200
    assert upstream.mock.wait(in_flight=0)
