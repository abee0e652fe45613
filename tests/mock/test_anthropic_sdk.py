"""Anthropic's own SDK as the judge of what the mock writes."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import pytest

from fastgate._core import MockProvider

ASK: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 2000,
    "messages": [{"role": "user", "content": "hello"}],
}
TOOLS = [{"name": name, "input_schema": {"type": "object"}} for name in ("weather", "time")]
CALLS = [{"name": "weather", "arguments": '{"city": "Zürich"}'}, {"name": "time", "arguments": "{}"}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture
def client(provider: MockProvider) -> Iterator[Any]:
    """The SDK's client, untyped: what comes back is what these tests are about."""
    with anthropic.Anthropic(base_url=f"http://{provider.address}", api_key="any", max_retries=0) as client:
        yield client


def streamed(client: Any, **more: Any) -> Any:
    """The message that the SDK put together from a stream."""
    with client.messages.stream(**ASK, **more) as stream:
        return stream.get_final_message()


def test_text_whole_and_streamed(provider: MockProvider, client: Any) -> None:
    provider.set_script('{"defaults": {"content": "Grüße 世界 \\"🌍\\""}}')
    whole = client.messages.create(**ASK)
    with client.messages.stream(**ASK) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert pieces == ["Grüße", " 世界", ' "🌍"']
    for answer in (whole, message):
        assert [block.type for block in answer.content] == ["text"]
        assert answer.content[0].text == 'Grüße 世界 "🌍"'
        assert (answer.stop_reason, answer.model, answer.role) == ("end_turn", ASK["model"], "assistant")
    assert whole._request_id is not None
    assert whole._request_id.startswith("req_")


def test_usage_counts_cached_tokens_apart(provider: MockProvider, client: Any) -> None:
    usage = {"prompt_tokens": 120, "cached_tokens": 100, "cache_write_tokens": 5, "completion_tokens": 7}
    provider.set_script(json.dumps({"defaults": {"usage": usage}}))
    for answer in (client.messages.create(**ASK), streamed(client)):
        counted = answer.usage
        assert (counted.input_tokens, counted.cache_read_input_tokens) == (15, 100)
        assert (counted.cache_creation_input_tokens, counted.output_tokens) == (5, 7)


def test_thinking_with_its_signature(provider: MockProvider, client: Any) -> None:
    provider.set_script(
        '{"defaults": {"reasoning": "let me see", "signature": "c2ln+/8=", "content": "yes"}}'
    )
    for answer in (client.messages.create(**ASK, thinking=THINKING), streamed(client, thinking=THINKING)):
        thought, said = answer.content
        assert (thought.type, thought.thinking, thought.signature) == ("thinking", "let me see", "c2ln+/8=")
        assert (said.type, said.text) == ("text", "yes")
    assert [block.type for block in client.messages.create(**ASK).content] == ["text"]


def test_tool_calls_whole_and_streamed_are_the_same(provider: MockProvider, client: Any) -> None:
    provider.set_script(json.dumps({"defaults": {"tool_calls": CALLS}}))
    for answer in (client.messages.create(**ASK, tools=TOOLS), streamed(client, tools=TOOLS)):
        assert answer.stop_reason == "tool_use"
        assert [(call.name, call.input) for call in answer.content] == [
            ("weather", {"city": "Zürich"}),
            ("time", {}),
        ]
        ids = {call.id for call in answer.content}
        assert len(ids) == 2
        assert all(one.startswith("toolu_") for one in ids)
    without = client.messages.create(**ASK, tools=TOOLS, tool_choice={"type": "none"})
    assert [block.type for block in without.content] == ["text"]


def test_arguments_are_streamed_in_pieces(provider: MockProvider, client: Any) -> None:
    provider.set_script(json.dumps({"defaults": {"tool_calls": CALLS[:1]}}))
    events = list(client.messages.create(**ASK, tools=TOOLS, stream=True))
    pieces = [event.delta.partial_json for event in events if event.type == "content_block_delta"]
    assert (len(pieces), "".join(pieces)) == (5, CALLS[0]["arguments"])


def test_a_token_limit_and_a_refusal_end_it(provider: MockProvider, client: Any) -> None:
    limited = client.messages.create(**ASK | {"max_tokens": 2})
    assert (limited.content[0].text, limited.stop_reason) == ("The mock", "max_tokens")
    provider.set_script('{"defaults": {"refusal": "No."}}')
    for answer in (client.messages.create(**ASK), streamed(client)):
        assert (answer.content[0].text, answer.stop_reason) == ("No.", "refusal")
        assert answer.stop_details is not None


def test_tokens_are_counted(provider: MockProvider, client: Any) -> None:
    request = {name: ASK[name] for name in ("model", "messages")}
    counted = client.messages.count_tokens(**request).input_tokens
    assert counted > client.messages.count_tokens(**request | {"model": "m"}).input_tokens > 0
    provider.set_script('{"defaults": {"usage": {"prompt_tokens": 42}}}')
    assert client.messages.count_tokens(**request).input_tokens == 42


def test_models_are_listed_for_who_asks_in_this_dialect(provider: MockProvider, client: Any) -> None:
    listed = list(client.models.list())
    assert [model.id for model in listed] == ["claude-sonnet-4-5", "claude-haiku-4-5", "mock"]
    assert client.models.retrieve("claude-haiku-4-5").display_name == "Claude Haiku 4.5"
    assert httpx.get(f"http://{provider.address}/v1/models").json()["object"] == "list"


@pytest.mark.parametrize(
    ("status", "raised", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_an_error_is_what_the_sdk_makes_of_it(
    provider: MockProvider, client: Any, status: int, raised: type[Exception], kind: str
) -> None:
    provider.set_script(json.dumps({"defaults": {"status": status, "error": {"message": "boom"}}}))
    with pytest.raises(raised) as told:
        client.messages.create(**ASK)
    error: Any = told.value
    assert error.body["error"] == {"type": kind, "message": "boom"}
    assert error.request_id == error.body["request_id"]


def test_what_the_mock_itself_refuses_is_refused_in_this_dialect(client: Any) -> None:
    with pytest.raises(anthropic.BadRequestError, match="statsu"):
        client.messages.create(**ASK, extra_headers={"x-mock-fault": "statsu=1"})
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.messages.create(**ASK, extra_body={"max_tokens": None})
    with pytest.raises(anthropic.NotFoundError):
        client.get("/v1/nothing", cast_to=object)


def test_an_error_event_reaches_the_sdk(provider: MockProvider, client: Any) -> None:
    provider.set_script('{"defaults": {"error_event": "events:5", "error": {"message": "boom"}}}')
    with pytest.raises(anthropic.APIStatusError, match="boom") as told:
        streamed(client)
    body: Any = told.value.body
    assert body["error"]["type"] == "overloaded_error"
