"""`litellm` as a client, in both dialects in which it reaches a server of one's own."""

import asyncio
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.blackbox.configuration import KEY
from tests.dialects.answers.cases import TEXT
from tests.dialects.answers.said import USAGE, Said
from tests.dialects.conftest import model_at
from tests.dialects.provider import Provider
from tests.dialects.received import FORMATS
from tests.dialects.stacks.conftest import (
    AS_JSON,
    CALLS,
    QUESTION,
    WEATHER,
    WORDS,
    Speaks,
    Weather,
    get_weather,
)

# It puts objects into its own models that those do not expect.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": Weather.model_json_schema()}}


@pytest.fixture(scope="module")
def litellm() -> Iterator[Any]:
    """Imported here, since that takes seconds; prices are those that it ships."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        module: Any = importlib.import_module("litellm")
        module.telemetry = False
        yield module


@pytest.fixture(params=["openai", "anthropic"])
def client_name(request: pytest.FixtureRequest) -> str:
    """What stands before the model's name."""
    name: str = request.param
    return name


@pytest.fixture(autouse=True)
def event_loop() -> Iterator[None]:
    """It asks for the thread's loop even in calls that need none, and leaves open the one it makes."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def ask(litellm: Any, address: str, client_name: str, dialect: str) -> Callable[..., Any]:
    base = f"{address}/v1" if client_name == "openai" else address

    def completion(messages: Any = None, **more: Any) -> Any:
        return litellm.completion(
            model=f"{client_name}/{model_at(dialect)}",
            api_base=base,
            api_key=KEY,
            max_tokens=500,
            num_retries=0,
            messages=messages or [{"role": "user", "content": QUESTION}],
            **more,
        )

    return completion


def test_words(ask: Any, speaks: Speaks) -> None:
    speaks(WORDS)
    answer = ask()
    assert answer.choices[0].message.content == TEXT
    usage = answer.usage
    assert (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, usage.completion_tokens) == USAGE


def test_words_streamed(ask: Any, speaks: Speaks) -> None:
    speaks(WORDS, streams=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in ask(stream=True)]
    assert "".join(pieces) == TEXT
    assert len([piece for piece in pieces if piece]) > 1


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_a_tool_is_called(litellm: Any, ask: Any, speaks: Speaks, heard_result: Any, streams: bool) -> None:
    speaks(CALLS, WORDS, streams=streams)
    messages: list[Any] = [{"role": "user", "content": QUESTION}]

    def message() -> Any:
        answer = ask(messages, stream=streams, tools=[TOOL])
        if streams:
            answer = litellm.stream_chunk_builder(list(answer), messages=messages)
        return answer.choices[0].message

    called = message()
    (call,) = called.tool_calls
    result = get_weather(**json.loads(call.function.arguments))
    messages += [called, {"role": "tool", "tool_call_id": call.id, "content": result}]
    assert message().content == TEXT
    heard_result()


def test_structured_output(
    ask: Any, speaks: Speaks, provider: Provider, client_name: str, dialect: str
) -> None:
    by_tool = client_name == "anthropic"  # unless it knows the model to take schemas
    speaks(Said(calls=(("json_tool_call", WEATHER.model_dump()),)) if by_tool else AS_JSON)
    answer = ask(response_format=Weather)
    assert Weather.model_validate_json(answer.choices[0].message.content) == WEATHER
    request = FORMATS[dialect](provider.asked)
    schema = request.tools()[0][1] if by_tool else request.schema()
    assert schema["required"] == ["city", "days"]
