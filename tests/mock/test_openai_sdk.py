"""The official SDK as the judge of what the mock writes."""

import json
from collections.abc import Iterator

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
