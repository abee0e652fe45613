"""Sizes and shapes of what is sent, and the checks of what comes back."""

import hashlib
import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from bench.checks import content, events, exact, same_content
from bench.http1 import Reply
from bench.limits import LIMITS, limits_config
from bench.options import Options
from bench.payload import (
    KEY,
    ORIGIN,
    REPLY_BYTES,
    REQUEST_BYTES,
    Dialect,
    Kind,
    key_digest,
    reply_body,
    request,
    request_body,
    stream_events,
)
from bench.processes import BenchError
from bench.targets import TARGETS, Extra, Site, gateway_config
from bench.upstream import parse_counts


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("kind", list(Kind))
def test_a_request_has_exactly_the_stated_size(kind: Kind, dialect: Dialect) -> None:
    body = request_body(kind, dialect=dialect)
    assert len(body) == REQUEST_BYTES
    assert json.loads(body)["model"] == kind.model
    assert json.loads(body).get("stream", False) is (kind is not Kind.JSON)


def test_a_reply_has_exactly_the_stated_size() -> None:
    assert len(reply_body()) == REPLY_BYTES
    assert content(reply_body())


def test_a_request_is_one_http_message() -> None:
    head, _, body = request(Kind.JSON, {"x-extra": "1"}).encode(81).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:81\r\n")
    assert b"\r\nx-extra: 1\r\n" in head
    assert f"Content-Length: {len(body)}".encode() in head


def test_streams_have_the_stated_number_of_events() -> None:
    body = b"".join(stream_events(100))
    assert len(events(body)) == 100
    assert content(body).startswith(" token0 token1")
    assert content(body.replace(b"\n\n", b"\r\n\r\n")) == content(body)


def test_a_stream_cut_short_is_not_a_right_answer() -> None:
    whole = b"".join(stream_events(10))
    with pytest.raises(BenchError, match="DONE"):
        content(b"".join(stream_events(10)[:-1]))
    assert exact(whole)(Reply(200, {}, whole)) is None
    assert "another body" in (exact(whole)(Reply(200, {}, whole + b"\n")) or "")
    assert "answer ids" in (exact(b"x")(Reply(200, {}, b"x")) or "")
    assert "status 503" in (exact(whole)(Reply(503, {}, whole)) or "")


def test_ids_and_times_may_differ_but_not_be_mixed_or_repeated() -> None:
    def answer(one: bytes, other: bytes) -> Reply:
        first, second = (
            b'{"id":"chatcmpl-' + one + b'","created":',
            b'{"id":"chatcmpl-' + other + b'","created":',
        )
        return Reply(200, {}, first + one + b"}" + second + other + b"}")

    check = exact(answer(b"1", b"1").body, fresh_ids=True)
    assert check(answer(b"2", b"2")) is None
    assert check(answer(b"3", b"3")) is None
    assert "2 answer ids" in (check(answer(b"4", b"5")) or "")
    assert "before" in (check(answer(b"2", b"2")) or "")
    again = exact(answer(b"1", b"1").body)
    assert again(answer(b"2", b"2")) is None
    assert again(answer(b"2", b"2")) is None


def test_rewritten_chunks_with_the_same_text_have_the_same_content() -> None:
    whole = b"".join(stream_events(10))
    check = same_content(whole)
    assert check(Reply(200, {}, whole.replace(b'"index":0', b'"index": 0'))) is None
    assert "another text" in (check(Reply(200, {}, whole.replace(b"token3", b"token4"))) or "")


def test_the_gateways_config_is_toml_and_holds_no_key(tmp_path: Path) -> None:
    extra = tmp_path / "extra.toml"
    extra.write_text("[tiers.paid]\nweight = 1\n")
    site = Site(tmp_path, dict.fromkeys(Kind, 3), Options(config_extra=str(extra)))
    text = gateway_config(site, 1, 2)
    config = tomllib.loads(text)
    assert config["server"]["listen"] == "127.0.0.1:1"
    assert config["keys"][0]["digest"] == "sha256:" + hashlib.sha256(KEY.encode()).hexdigest() == key_digest()
    assert {one["model"] for one in config["deployments"].values()} == {kind.model for kind in Kind}
    assert config["tiers"]["paid"]["weight"] == 1
    assert KEY not in text
    assert config["prices"]["bench-json"] == {"input": 0.15, "output": 0.6}
    assert config["server"]["allowed_origins"] == [ORIGIN]
    assert config["access_log"]["path"] == "access.log"
    more = Extra(tokenizer="o200k", lines=limits_config())
    plain = tomllib.loads(gateway_config(replace(site, options=Options(plain=True)), 1, 2, more))
    assert "access_log" not in plain
    assert {one["tokenizer"] for one in plain["deployments"].values()} == {"o200k"}
    assert plain["limits"] == list(LIMITS)


def test_counts_of_both_upstreams() -> None:
    assert parse_counts('{"requests": 12}') == 12
    status = "Active connections: 1 \nserver accepts handled requests\n 6 6 111393 \nReading: 0\n"
    assert parse_counts(status) == 111393
    with pytest.raises(BenchError):
        parse_counts("<html>")


def test_a_request_is_what_the_dialects_sdk_sends() -> None:
    sent = request(Kind.PACED, {"x-extra": "1"}, Dialect.ANTHROPIC)
    assert sent.path == "/v1/messages"
    assert (sent.headers["x-api-key"], sent.headers["x-extra"]) == (KEY, "1")
    assert "Authorization" not in sent.headers
    document = json.loads(sent.body)
    assert [message["role"] for message in document["messages"]] == ["user"]
    assert document["system"] == json.loads(request_body(Kind.PACED))["messages"][0]["content"]


ANTHROPIC_WHOLE = b'{"type":"message","id":"msg_1","content":[{"type":"text","text":"a b"}]}'
ANTHROPIC_EVENTS = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"a"}}\n\n',
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":" b"}}\n\n',
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
)
OPENAI_WHOLE = b'{"id":"chatcmpl-1","choices":[{"message":{"content":"a b"}}]}'


def test_both_dialects_say_the_same_and_a_translated_answer_is_in_the_clients() -> None:
    stream = b"".join(ANTHROPIC_EVENTS)
    assert content(ANTHROPIC_WHOLE) == content(stream) == content(OPENAI_WHOLE) == "a b"
    with pytest.raises(BenchError, match="message_stop"):
        content(b"".join(ANTHROPIC_EVENTS[:-1]))
    to_chat, to_anthropic = (same_content(ANTHROPIC_WHOLE, dialect) for dialect in Dialect)
    assert to_chat(Reply(200, {}, OPENAI_WHOLE)) is None
    assert to_anthropic(Reply(200, {}, stream)) is None
    for check, body in ((to_chat, ANTHROPIC_WHOLE), (to_chat, stream), (to_anthropic, OPENAI_WHOLE)):
        assert "client's dialect" in (check(Reply(200, {}, body)) or "")
    assert "another text" in (to_chat(Reply(200, {}, OPENAI_WHOLE.replace(b"a b", b"a c"))) or "")


def test_anthropics_ids_are_looked_at_as_openais_are() -> None:
    check = exact(ANTHROPIC_WHOLE, fresh_ids=True)
    assert check(Reply(200, {}, ANTHROPIC_WHOLE)) is None
    assert check(Reply(200, {}, ANTHROPIC_WHOLE.replace(b"msg_1", b"msg_2"))) is None
    assert "before" in (check(Reply(200, {}, ANTHROPIC_WHOLE)) or "")


def test_a_gateway_between_dialects_stands_before_that_provider(tmp_path: Path) -> None:
    site = Site(tmp_path, dict.fromkeys(Kind, 3), Options())
    config = tomllib.loads(gateway_config(site, 1, 2, Extra(provider=Dialect.ANTHROPIC)))
    providers = {(one["dialect"], one["base_url"]) for one in config["providers"].values()}
    assert providers == {("anthropic", "http://127.0.0.1:3")}
    target = TARGETS["native-chat-to-anthropic"]
    launch = target.prepare(site)
    assert {one.path for one in launch.requests.values()} == {"/v1/chat/completions"}
    assert (target.exact, target.reference) == (False, "nginx-anthropic")
    reversed_launch = TARGETS["native-anthropic-to-chat"].prepare(site)
    assert {one.path for one in reversed_launch.requests.values()} == {"/v1/messages"}
    assert (site.directory / "fastgate.toml").read_text().count('dialect = "openai"') == len(Kind)


def test_every_target_has_a_reference_before_the_same_provider() -> None:
    for target in TARGETS.values():
        reference = TARGETS[target.reference]
        assert reference.exact
        assert reference.provider is target.provider
