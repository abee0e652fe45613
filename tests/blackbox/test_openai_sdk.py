"""The official OpenAI SDK, sync and async, through every door."""

import asyncio
import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionToolParam
from tests.blackbox.configuration import CHAT_ONLY_KEY
from tests.blackbox.gateway import Gateway
from tests.blackbox.upstream import Upstream

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
TEXT = "Grüße, 世界 🌍: the answer is forty-two, and then some."
TOOLS: list[ChatCompletionToolParam] = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
]
ERRORS = [
    (400, openai.BadRequestError),
    (403, openai.PermissionDeniedError),
    (404, openai.NotFoundError),
    (409, openai.ConflictError),
    (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
]


def test_json(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, usage={"prompt_tokens": 11, "completion_tokens": 7})
    with gateway.client() as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=MESSAGES)
        answer = raw.parse()
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 7)
    assert raw.headers["x-fastgate-request-id"]


def test_stream(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, chunks=9, split_bytes=[5, 1, 17])
    with gateway.client() as client:
        chunks = list(
            client.chat.completions.create(
                model="gpt-4o", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
        )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls(gateway: Gateway, upstream: Upstream, stream: bool) -> None:
    calls = [
        {"name": "weather", "arguments": '{"city": "Zürich"}'},
        {"name": "time", "arguments": '{"zone": "Europe/Zurich"}'},
    ]
    upstream.script(tool_calls=calls, finish_reason="tool_calls", split_bytes=[3, 40])
    collected: dict[int, dict[str, str]] = {}
    with gateway.client() as client:
        if stream:
            for chunk in client.chat.completions.create(
                model="gpt-4o", messages=MESSAGES, tools=TOOLS, stream=True
            ):
                for choice in chunk.choices:
                    for part in choice.delta.tool_calls or []:
                        call = collected.setdefault(part.index, {"name": "", "arguments": ""})
                        assert part.function is not None
                        call["name"] += part.function.name or ""
                        call["arguments"] += part.function.arguments or ""
        else:
            answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, tools=TOOLS)
            for index, whole in enumerate(answer.choices[0].message.tool_calls or []):
                assert whole.type == "function"
                collected[index] = {"name": whole.function.name, "arguments": whole.function.arguments}
    assert list(collected.values()) == calls


def test_several_choices(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT)
    with gateway.client() as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, n=3)
        assert [choice.index for choice in answer.choices] == [0, 1, 2]
        finished = {
            choice.index
            for chunk in client.chat.completions.create(model="gpt-4o", messages=MESSAGES, n=2, stream=True)
            for choice in chunk.choices
            if choice.finish_reason
        }
    assert finished == {0, 1}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "kind"), ERRORS)
def test_errors_keep_class_and_body(
    gateway: Gateway, upstream: Upstream, status: int, kind: type[openai.APIStatusError], stream: bool
) -> None:
    said = {"message": "that went wrong: ü", "type": "some_type", "param": "messages", "code": "some_code"}
    body = json.dumps({"error": said, "extra": [1, 2]}, ensure_ascii=False).encode()
    upstream.answer_bytes(body, status=status, headers={"retry-after": "7", "x-request-id": "req_123"})
    with gateway.client() as client, pytest.raises(kind) as caught:
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.body == said
    assert caught.value.response.content == body
    assert caught.value.request_id == "req_123"
    assert caught.value.response.headers["retry-after"] == "7"


def test_an_error_event_after_content_raises(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, chunks=6, error_event="events:3", error={"message": "overloaded now"})
    received: list[ChatCompletionChunk] = []
    with gateway.client() as client:
        events = client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        with pytest.raises(openai.APIError, match="overloaded now"):
            received.extend(events)
    assert received


def test_models(named_gateway: Gateway) -> None:
    with named_gateway.client() as client:
        names = {model.id for model in client.models.list()}
        assert {"chat", "fast"} <= names
        assert client.models.retrieve("chat").id == "chat"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("nothing-like-it")


def test_models_shows_what_the_key_may_use(named_gateway: Gateway, upstream: Upstream) -> None:
    with named_gateway.client(CHAT_ONLY_KEY) as client:
        assert [model.id for model in client.models.list()] == ["chat"]
        client.chat.completions.create(model="chat", messages=MESSAGES)
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="fast", messages=MESSAGES)
    assert len(upstream.seen()) == 1


def test_async_many_at_once(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, chunks=5, gap_ms=2)

    async def ask(client: openai.AsyncOpenAI, stream: bool) -> str | None:
        if not stream:
            answer = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)
            return answer.choices[0].message.content
        parts: list[str] = []
        events = await client.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        async for chunk in events:
            parts += [choice.delta.content or "" for choice in chunk.choices]
        return "".join(parts)

    async def ask_all() -> list[Any]:
        async with gateway.async_client() as client:
            return await asyncio.gather(*(ask(client, stream=index % 2 == 0) for index in range(40)))

    assert asyncio.run(ask_all()) == [TEXT] * 40


def test_async_errors(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(status=429, error={"message": "slow down", "code": "rate_limit_exceeded"})

    async def ask() -> None:
        async with gateway.async_client() as client:
            await client.chat.completions.create(model="gpt-4o", messages=MESSAGES)

    with pytest.raises(openai.RateLimitError) as caught:
        asyncio.run(ask())
    assert caught.value.code == "rate_limit_exceeded"
