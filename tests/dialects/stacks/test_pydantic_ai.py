"""`pydantic-ai` with each of its models for the dialects that the gateway speaks."""

import asyncio
from typing import Any

import pytest
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from tests.blackbox.configuration import KEY
from tests.dialects.answers.cases import TEXT
from tests.dialects.answers.said import USAGE, Said
from tests.dialects.conftest import model_at, writes
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


@pytest.fixture
def model(address: str, client_name: str, dialect: str) -> Model:
    name = model_at(dialect)
    if client_name == "anthropic":
        anthropic = AnthropicProvider(api_key=KEY, base_url=address)
        # It asks models that it knows by name only for JSON that fits a schema.
        profile = ModelProfile(supports_json_schema_output=True)
        return AnthropicModel(name, provider=anthropic, profile=profile)
    if client_name == "gemini":
        return GoogleModel(name, provider=GoogleProvider(api_key=KEY, base_url=address))
    openai = OpenAIProvider(api_key=KEY, base_url=f"{address}/v1")
    return (OpenAIChatModel if client_name == "chat" else OpenAIResponsesModel)(name, provider=openai)


@pytest.fixture
def format_(client_name: str, dialect: str) -> str:
    return writes(client_name, dialect)


def run(agent: Agent[None, Any], streams: bool = False) -> Any:
    """The result of a run, with its connections closed behind it."""

    async def ask() -> Any:
        async with agent:
            if not streams:
                return await agent.run(QUESTION)
            async with agent.run_stream(QUESTION) as result:
                await result.get_output()
                return result

    return asyncio.run(ask())


def test_words(model: Model, speaks: Speaks, format_: str) -> None:
    speaks(WORDS, format_=format_)
    result = run(Agent(model))
    assert result.output == TEXT
    assert (result.usage.input_tokens, result.usage.cache_read_tokens, result.usage.output_tokens) == USAGE


def test_words_streamed(model: Model, speaks: Speaks, format_: str) -> None:
    speaks(WORDS, streams=True, format_=format_)
    agent = Agent(model)

    async def ask() -> list[str]:
        async with agent, agent.run_stream(QUESTION) as result:
            return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]

    pieces = asyncio.run(ask())
    assert "".join(pieces) == TEXT
    assert len(pieces) > 1


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_a_tool_is_called(
    model: Model, speaks: Speaks, provider: Provider, heard_result: Any, format_: str, streams: bool
) -> None:
    speaks(CALLS, WORDS, streams=streams, format_=format_)
    run(Agent(model, tools=[get_weather]), streams)
    assert len(provider.requests) == 2
    heard_result(format_)


def test_output_by_a_schema(model: Model, speaks: Speaks, provider: Provider, format_: str) -> None:
    speaks(AS_JSON, format_=format_)
    assert run(Agent(model, output_type=NativeOutput(Weather))).output == WEATHER
    assert FORMATS[format_](provider.asked).schema()["required"] == ["city", "days"]


def test_output_by_a_tool(model: Model, speaks: Speaks, provider: Provider, format_: str) -> None:
    speaks(Said(calls=(("answer", WEATHER.model_dump()),)), format_=format_)
    agent = Agent(model, output_type=ToolOutput(Weather, name="answer"))
    assert run(agent).output == WEATHER
    ((name, schema),) = FORMATS[format_](provider.asked).tools()
    assert (name, schema["required"]) == ("answer", ["city", "days"])
