"""`langchain-openai`, over chat completions and over responses."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from tests.blackbox.configuration import KEY
from tests.dialects.answers.cases import TEXT
from tests.dialects.answers.said import USAGE
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


@pytest.fixture(params=["chat", "responses"])
def client_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def format_(client_name: str, dialect: str) -> str:
    return writes(client_name, dialect)


@pytest.fixture
def model(address: str, client_name: str, dialect: str) -> ChatOpenAI:
    return ChatOpenAI(
        model=model_at(dialect),
        base_url=f"{address}/v1",
        api_key=SecretStr(KEY),
        max_retries=0,
        use_responses_api=client_name == "responses",
        stream_usage=True,
    )


def test_words(model: ChatOpenAI, speaks: Speaks, format_: str) -> None:
    speaks(WORDS, format_=format_)
    answer = model.invoke(QUESTION)
    assert answer.text == TEXT
    usage: Any = answer.usage_metadata
    cached = usage["input_token_details"]["cache_read"]
    assert (usage["input_tokens"], cached, usage["output_tokens"]) == USAGE


def test_words_streamed(model: ChatOpenAI, speaks: Speaks, format_: str) -> None:
    speaks(WORDS, streams=True, format_=format_)
    pieces = [piece.text for piece in model.stream(QUESTION)]
    assert "".join(pieces) == TEXT
    assert len([piece for piece in pieces if piece]) > 1


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_a_tool_is_called(
    model: ChatOpenAI, speaks: Speaks, heard_result: Any, format_: str, streams: bool
) -> None:
    speaks(CALLS, WORDS, streams=streams, format_=format_)
    bound = model.bind_tools([tool(get_weather)])
    history: list[Any] = [HumanMessage(QUESTION)]

    def ask() -> Any:
        if not streams:
            return bound.invoke(history)
        first, *rest = bound.stream(history)
        for piece in rest:
            first += piece  # type: ignore[assignment]
        return first

    answer = ask()
    (call,) = answer.tool_calls
    history += [answer, ToolMessage(get_weather(**call["args"]), tool_call_id=call["id"])]
    assert ask().text == TEXT
    heard_result(format_)


def test_output_by_a_schema(model: ChatOpenAI, speaks: Speaks, provider: Provider, format_: str) -> None:
    speaks(AS_JSON, format_=format_)
    assert model.with_structured_output(Weather).invoke(QUESTION) == WEATHER
    assert FORMATS[format_](provider.asked).schema()["required"] == ["city", "days"]
