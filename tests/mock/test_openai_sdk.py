"""The official SDK as the judge of what the mock writes."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from fastgate._core import MockProvider

MESSAGES: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]
TOOLS: list[openai.types.chat.ChatCompletionToolUnionParam] = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
]
CALLS = [{"name": "weather", "arguments": '{"city": "Zürich"}'}, {"name": "time", "arguments": "{}"}]


@pytest.fixture
def client(provider: MockProvider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://{provider.address}/v1", api_key="any", max_retries=2) as client:
        yield client


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, n=2)
    assert [choice.message.content for choice in answer.choices] == [answer.choices[0].message.content] * 2
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-4o"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_with_usage(provider: MockProvider, client: openai.OpenAI) -> None:
    provider.set_script(
        '{"defaults": {"content": "Grüße 世界 🌍", "usage": {"prompt_tokens": 7, "cached_tokens": 5}}}'
    )
    stream = client.chat.completions.create(
        model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "Grüße 世界 🌍"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (7, 3)
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 5


def test_a_token_limit_cuts_the_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_completion_tokens=2)
    assert answer.choices[0].message.content == "The mock"
    assert answer.choices[0].finish_reason == "length"


def test_tool_calls_whole_and_streamed_are_the_same(provider: MockProvider, client: openai.OpenAI) -> None:
    provider.set_script(json.dumps({"defaults": {"tool_calls": CALLS}}))
    whole = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=TOOLS).choices[0]
    with client.chat.completions.stream(model="gpt-4o", messages=MESSAGES, tools=TOOLS) as stream:
        streamed = stream.get_final_completion().choices[0]
    expected = [("weather", '{"city": "Zürich"}'), ("time", "{}")]
    for choice in (whole, streamed):
        assert choice.finish_reason == "tool_calls"
        calls = choice.message.tool_calls or []
        assert [
            (call.function.name, call.function.arguments) for call in calls if call.type == "function"
        ] == expected
    without = client.chat.completions.create(model="gpt-4o", messages=MESSAGES).choices[0]
    assert without.message.tool_calls is None


def test_embeddings_in_both_formats(client: openai.OpenAI) -> None:
    encoded = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)
    floats = client.embeddings.create(
        model="text-embedding-3-small", input="a", dimensions=8, encoding_format="float"
    )
    assert [len(item.embedding) for item in encoded.data] == [8, 8]
    assert encoded.data[0].embedding == pytest.approx(floats.data[0].embedding)
    assert encoded.data[0].embedding != encoded.data[1].embedding


def test_models(client: openai.OpenAI) -> None:
    assert "gpt-4o" in [model.id for model in client.models.list()]


def test_the_sdk_retries_what_the_script_fails(provider: MockProvider, client: openai.OpenAI) -> None:
    provider.set_script('{"steps": [{"times": 2, "status": 503, "headers": {"retry-after-ms": "1"}}]}')
    assert client.chat.completions.create(model="gpt-4o", messages=MESSAGES).choices
    assert provider.counts()["requests"] == 3


def test_an_error_event_reaches_the_sdk(provider: MockProvider, client: openai.OpenAI) -> None:
    provider.set_script('{"defaults": {"error_event": "events:2", "error": {"message": "boom"}}}')
    with pytest.raises(openai.APIError, match="boom"):
        list(client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))


def test_reasoning_comes_before_the_content(provider: MockProvider, client: openai.OpenAI) -> None:
    provider.set_script('{"defaults": {"reasoning": "let me see", "content": "yes"}}')
    whole = client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
    assert whole.choices[0].message.model_extra == {"reasoning_content": "let me see"}
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert (whole.usage.completion_tokens, whole.usage.completion_tokens_details.reasoning_tokens) == (4, 3)
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    thoughts = [(delta.model_extra or {}).get("reasoning_content") for delta in deltas]
    assert thoughts == [None, "let", " me", " see", None, None]
    assert [delta.content for delta in deltas] == ["", None, None, None, "yes", None]


def test_a_refusal_is_no_content(provider: MockProvider, client: openai.OpenAI) -> None:
    provider.set_script('{"defaults": {"refusal": "No, no."}}')
    whole = client.chat.completions.create(model="gpt-4o", messages=MESSAGES).choices[0]
    with client.chat.completions.stream(model="gpt-4o", messages=MESSAGES) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert (whole.message.refusal, streamed.message.refusal) == ("No, no.", "No, no.")
    assert (whole.message.content, whole.finish_reason) == (None, "stop")


def both(client: openai.OpenAI, **more: Any) -> tuple[Any, Any]:
    """A response, and the one at the end of a stream, to which its events add up."""
    asked: dict[str, Any] = {"model": "gpt-4o", "input": "hello", **more}
    whole = client.responses.create(**asked)
    *events, last = client.responses.create(**asked, stream=True)
    assert last.type == f"response.{whole.status}"
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == last.response.output_text
    if whole.status == "completed":
        with client.responses.stream(**asked) as stream:
            assert stream.get_final_response().output_text == last.response.output_text
    return whole, last.response


def test_a_response_says_the_same_whole_and_streamed(provider: MockProvider, client: openai.OpenAI) -> None:
    provider.set_script(
        '{"defaults": {"reasoning": "let me see", "signature": "c2ln", "content": "yes it is"}}'
    )
    reasoning = {"effort": "low", "summary": "auto"}
    for response in both(client, reasoning=reasoning):
        thought, message = response.output
        assert (thought.type, thought.summary[0].text) == ("reasoning", "let me see")
        assert thought.encrypted_content == "c2ln"
        assert (message.type, response.output_text, response.status) == ("message", "yes it is", "completed")
    assert [item.type for item in both(client)[0].output] == ["message"]


def test_a_response_calls_refuses_and_is_cut_short(provider: MockProvider, client: openai.OpenAI) -> None:
    for response in both(client, max_output_tokens=2):
        assert (response.status, response.output_text) == ("incomplete", "The mock")
        assert response.incomplete_details.reason == "max_output_tokens"
    provider.set_script(json.dumps({"defaults": {"tool_calls": CALLS}}))
    tools = [
        {"type": "function", "name": name, "parameters": {"type": "object"}, "strict": False}
        for name in ("weather", "time")
    ]
    for response in both(client, tools=tools):
        calls = [(call.type, call.name, call.arguments) for call in response.output]
        assert calls == [("function_call", call["name"], call["arguments"]) for call in CALLS]
        assert len({call.call_id for call in response.output}) == 2
    provider.set_script('{"defaults": {"refusal": "No, no."}}')
    for response in both(client):
        (part,) = response.output[0].content
        assert (part.type, part.refusal) == ("refusal", "No, no.")


def test_one_model(client: openai.OpenAI) -> None:
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
