"""Every SDK through the gateway to a provider of every dialect."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.blackbox.configuration import KEY, PROVIDER_KEY
from tests.blackbox.gateway import Gateway
from tests.dialects.answers import CALLS, TEXT, USAGE, answer
from tests.dialects.clients import CLIENTS, PNG, QUESTION, SCHEMA, Cut, RateLimited
from tests.dialects.provider import Provider

Ask = Callable[..., Any]

# Where each dialect carries its credential, and where it is asked for an answer in one piece.
CREDENTIALS = {
    "openai": ("authorization", f"Bearer {PROVIDER_KEY}"),
    "anthropic": ("x-api-key", PROVIDER_KEY),
    "gemini": ("x-goog-api-key", PROVIDER_KEY),
}
PATHS = {
    "openai": ("/v1/chat/completions", "/v1/responses"),
    "anthropic": ("/v1/messages",),
    "gemini": ("/v1beta/models/upstream-model:generateContent",),
}


@pytest.fixture(params=list(CLIENTS))
def client(request: pytest.FixtureRequest, gateway: Gateway, dialect: str) -> Iterator[Any]:
    """An SDK that speaks to the gateway."""
    if (request.param, dialect) == ("responses", "openai"):
        pytest.skip("the same dialect on both sides passes as it is")
    client = CLIENTS[request.param](f"http://127.0.0.1:{gateway.port}", KEY)
    with closing(client.sdk):
        yield client


@pytest.fixture
def says(provider: Provider, dialect: str) -> Callable[[str], None]:
    """Makes the provider answer as in a case."""

    def answer_case(case: str) -> None:
        body, content_type, status = answer(dialect, case)
        provider.answer(body, content_type, status)

    return answer_case


@pytest.mark.parametrize("case", ["text", "stream"])
def test_words(client: Any, says: Any, provider: Provider, dialect: str, case: str) -> None:
    says(case)
    heard = client.ask(case)
    assert (heard.text, heard.finish, heard.usage) == (TEXT, "stop", USAGE)
    name, credential = CREDENTIALS[dialect]
    assert provider.headers[name] == credential
    assert KEY not in str(provider.headers)
    if case == "text":
        assert provider.path in PATHS[dialect]


@pytest.mark.parametrize("case", ["tools", "stream_tools"])
def test_parallel_tool_calls(client: Any, says: Any, case: str) -> None:
    says(case)
    heard = client.ask(case)
    assert (heard.calls, heard.finish, heard.usage) == (CALLS, "tool_calls", USAGE)
    assert len(set(heard.ids)) == len(heard.ids)


def test_tools_are_offered(client: Any, says: Any, provider: Provider, dialect: str) -> None:
    says("tools")
    client.ask("tools")
    tools = provider.asked["tools"]
    offered = {
        "openai": lambda: [(tool["function"]["name"], tool["function"].get("parameters")) for tool in tools],
        "anthropic": lambda: [(tool["name"], tool["input_schema"]) for tool in tools],
        "gemini": lambda: [
            (one["name"], one.get("parametersJsonSchema") or one.get("parameters_json_schema"))
            for one in tools[0]["functionDeclarations"]
        ],
    }[dialect]()
    assert offered[0] == ("get_weather", SCHEMA)
    assert offered[1][0] == "get_time"


def test_results_of_tools(client: Any, says: Any, provider: Provider, dialect: str) -> None:
    says("text")
    client.ask("tool_results", client.with_results())
    asked = provider.asked
    if dialect == "openai":
        (question, calls, *results) = [one for one in asked["messages"] if one["role"] != "system"]
        ids = [call["id"] for call in calls["tool_calls"]]
        assert [(one["role"], one["tool_call_id"]) for one in results] == [("tool", one) for one in ids]
        assert [one["content"] for one in results] in (
            ["result 0", "result 1"],
            ['{"result":"result 0"}', '{"result":"result 1"}'],
            ['{"result": "result 0"}', '{"result": "result 1"}'],
        )
    elif dialect == "anthropic":
        (question, calls, results) = asked["messages"]
        ids = [block["id"] for block in calls["content"]]
        assert [block["tool_use_id"] for block in results["content"]] == ids
        assert all("result" in str(block["content"]) for block in results["content"])
    else:
        (question, calls, results) = asked["contents"]
        names = [part["functionCall"]["name"] for part in calls["parts"]]
        assert [part["functionResponse"]["name"] for part in results["parts"]] == names
        responses = [part["functionResponse"]["response"]["result"] for part in results["parts"]]
        assert responses == ["result 0", "result 1"]
    assert QUESTION in str(question)


def test_pictures(client: Any, says: Any, provider: Provider, dialect: str) -> None:
    says("text")
    client.ask("image", client.with_image())
    asked = provider.asked
    if dialect == "openai":
        content = asked["messages"][-1]["content"]
        assert content[0] == {"type": "text", "text": QUESTION}
        assert content[1]["image_url"]["url"] == f"data:image/png;base64,{PNG}"
    elif dialect == "anthropic":
        content = asked["messages"][-1]["content"]
        assert content[0] == {"type": "text", "text": QUESTION}
        assert content[1]["source"] == {"type": "base64", "media_type": "image/png", "data": PNG}
    else:
        parts = asked["contents"][-1]["parts"]
        assert parts[0] == {"text": QUESTION}
        inline = parts[1].get("inlineData") or parts[1]["inline_data"]
        # What passes as it is has the SDK's own alphabet.
        assert inline["data"].translate(str.maketrans("-_", "+/")) == PNG


def test_a_schema_for_the_answer(client: Any, says: Any, provider: Provider, dialect: str) -> None:
    says("text")
    client.ask("text", client.with_schema())
    asked = provider.asked
    found = {
        "openai": lambda: asked["response_format"]["json_schema"]["schema"],
        "anthropic": lambda: asked["output_config"]["format"]["schema"],
        "gemini": lambda: asked["generationConfig"]["responseJsonSchema"],
    }[dialect]()
    assert found == SCHEMA


def test_features_in_test_are_asked_of_their_own_vendor(
    gateway: Gateway, says: Any, provider: Provider, dialect: str
) -> None:
    says("text")
    client = CLIENTS["anthropic"](f"http://127.0.0.1:{gateway.port}", KEY)
    with closing(client.sdk):
        client.ask("text", {"extra_headers": {"anthropic-beta": "context-1m-2025-08-07"}})
    expected = "context-1m-2025-08-07" if dialect == "anthropic" else None
    assert provider.headers.get("anthropic-beta") == expected


def test_errors_raise_what_the_sdk_raises(client: Any, says: Any) -> None:
    says("error")
    with pytest.raises(RateLimited, match="slow down"):
        client.ask("text")


def test_a_stream_that_was_cut_is_no_answer(client: Any, says: Any) -> None:
    says("stream_cut")
    with pytest.raises(Cut):
        client.ask("stream")
