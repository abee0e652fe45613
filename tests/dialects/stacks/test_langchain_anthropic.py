"""`langchain-anthropic`."""

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import SecretStr
from tests.blackbox.configuration import KEY
from tests.dialects.answers.cases import SIGNATURES, TEXT, THOUGHT
from tests.dialects.answers.said import USAGE, Said
from tests.dialects.conftest import model_at
from tests.dialects.provider import Provider
from tests.dialects.received import FORMATS, Called, Thought
from tests.dialects.stacks.conftest import (
    CALLED,
    CALLS,
    QUESTION,
    WEATHER,
    WORDS,
    Speaks,
    Weather,
    get_weather,
)


@pytest.fixture
def model(address: str, dialect: str) -> ChatAnthropic:
    return ChatAnthropic(
        model_name=model_at(dialect),
        base_url=address,
        api_key=SecretStr(KEY),
        max_retries=0,
        max_tokens_to_sample=2_000,
        timeout=None,
        stop=None,
    )


def joined(pieces: Any) -> Any:
    first, *rest = pieces
    for piece in rest:
        first += piece
    return first


def test_words(model: ChatAnthropic, speaks: Speaks) -> None:
    speaks(WORDS)
    answer = model.invoke(QUESTION)
    assert answer.text == TEXT
    usage: Any = answer.usage_metadata
    cached = usage["input_token_details"]["cache_read"]
    assert (usage["input_tokens"], cached, usage["output_tokens"]) == USAGE


def test_words_streamed(model: ChatAnthropic, speaks: Speaks) -> None:
    speaks(WORDS, streams=True)
    pieces = [piece.text for piece in model.stream(QUESTION)]
    assert "".join(pieces) == TEXT
    assert len([piece for piece in pieces if piece]) > 1


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_a_tool_is_called(model: ChatAnthropic, speaks: Speaks, heard_result: Any, streams: bool) -> None:
    speaks(CALLS, WORDS, streams=streams)
    bound = model.bind_tools([tool(get_weather)])
    history: list[Any] = [HumanMessage(QUESTION)]
    answer = joined(bound.stream(history)) if streams else bound.invoke(history)
    (call,) = answer.tool_calls
    history += [answer, ToolMessage(get_weather(**call["args"]), tool_call_id=call["id"])]
    assert (joined(bound.stream(history)) if streams else bound.invoke(history)).text == TEXT
    heard_result()


@pytest.mark.parametrize("dialect", ["anthropic", "gemini"])
def test_signed_thoughts_go_back(
    model: ChatAnthropic, speaks: Speaks, provider: Provider, dialect: str
) -> None:
    signature = SIGNATURES[dialect]
    speaks(Said(thought=THOUGHT, signature=signature, calls=(CALLED,)), WORDS, streams=True)
    bound = model.bind_tools([tool(get_weather)])
    history: list[Any] = [HumanMessage(QUESTION)]
    answer = joined(bound.stream(history))
    (call,) = answer.tool_calls
    history += [answer, ToolMessage(get_weather(**call["args"]), tool_call_id=call["id"])]
    joined(bound.stream(history))
    sent = FORMATS[dialect](provider.asked).history()
    if dialect == "anthropic":
        assert sent[0] == Thought(THOUGHT, signature)
    else:
        assert isinstance(sent[0], Called)
        assert sent[0].signature == signature


def test_output_by_a_tool(model: ChatAnthropic, speaks: Speaks, provider: Provider, dialect: str) -> None:
    speaks(Said(calls=(("Weather", WEATHER.model_dump()),)))
    assert model.with_structured_output(Weather).invoke(QUESTION) == WEATHER
    ((name, schema),) = FORMATS[dialect](provider.asked).tools()
    assert (name, schema["required"]) == ("Weather", ["city", "days"])


def test_output_by_a_schema(model: ChatAnthropic, speaks: Speaks, provider: Provider, dialect: str) -> None:
    speaks(Said(text=WEATHER.model_dump_json()))
    assert model.with_structured_output(Weather, method="json_schema").invoke(QUESTION) == WEATHER
    assert FORMATS[dialect](provider.asked).schema()["required"] == ["city", "days"]
