"""Every SDK through the gateway to a provider of every dialect."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.blackbox.configuration import KEY, PROVIDER_KEY
from tests.dialects.answers.cases import CALLS, TEXT
from tests.dialects.answers.said import USAGE
from tests.dialects.clients import PNG, QUESTION, SCHEMA, Cut, RateLimited
from tests.dialects.conftest import Says, writes
from tests.dialects.provider import Provider
from tests.dialects.received import FORMATS, Called, Result

# Where each dialect carries its credential, and where it is asked for an answer in one piece.
CREDENTIALS = {
    "openai": ("authorization", f"Bearer {PROVIDER_KEY}"),
    "anthropic": ("x-api-key", PROVIDER_KEY),
    "gemini": ("x-goog-api-key", PROVIDER_KEY),
}
PATHS = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/upstream-model:generateContent",
}


@pytest.fixture
def received(provider: Provider, client_name: str, dialect: str) -> Callable[[], Any]:
    """Reads what the provider was asked."""
    return lambda: FORMATS[writes(client_name, dialect)](provider.asked)


@pytest.mark.parametrize("case", ["text", "stream"])
def test_words(
    client: Any, says: Says, provider: Provider, client_name: str, dialect: str, case: str
) -> None:
    says(case)
    heard = client.ask(case)
    assert (heard.text, heard.finish) == (TEXT, "stop")
    name, credential = CREDENTIALS[dialect]
    assert provider.headers[name] == credential
    assert KEY not in str(provider.headers)
    if case == "text":
        assert provider.path == PATHS[writes(client_name, dialect)]


@pytest.mark.parametrize("case", ["usage", "stream_usage"])
def test_usage_tells_cached_tokens_apart(client: Any, says: Says, case: str) -> None:
    asked = case.replace("usage", "tools")
    says(asked)
    assert client.ask(asked).usage == USAGE


@pytest.mark.parametrize("case", ["tools", "stream_tools"])
def test_parallel_tool_calls(client: Any, says: Says, received: Any, case: str) -> None:
    says(case)
    heard = client.ask(case)
    assert (heard.calls, heard.finish) == (CALLS, "tool_calls")
    assert len(set(heard.ids)) == len(heard.ids)
    weather, time = received().tools()
    assert weather == ("get_weather", SCHEMA)
    assert time[0] == "get_time"


@pytest.mark.parametrize("case", ["tool_results"])
def test_results_of_tools(client: Any, says: Says, received: Any, case: str) -> None:
    says("text")
    client.ask(case, client.with_results())
    *calls, first, second = received().history()
    assert [(call.name, call.arguments) for call in calls] == [
        (name, {"city": "Zürich"}) for name in ("get_weather", "get_time")
    ]
    assert all(isinstance(call, Called) for call in calls)
    names = [call.id if first.of == calls[0].id else call.name for call in calls]
    assert [first, second] == [Result(name, f"result {at}") for at, name in enumerate(names)]


@pytest.mark.parametrize("case", ["image"])
def test_pictures(client: Any, says: Says, provider: Provider, received: Any, case: str) -> None:
    says("text")
    client.ask(case, client.with_image())
    assert received().image() == PNG
    assert QUESTION in str(provider.asked)


@pytest.mark.parametrize("case", ["schema"])
def test_a_schema_for_the_answer(
    client: Any, says: Says, received: Any, client_name: str, dialect: str, case: str
) -> None:
    says("text")
    client.ask(case, client.with_schema())
    # Anthropic takes none that lets an object have other members.
    is_closed = dialect == "anthropic" != client_name
    assert received().schema() == (SCHEMA | {"additionalProperties": False} if is_closed else SCHEMA)


@pytest.mark.parametrize("client_name", ["anthropic"])
def test_features_in_test_are_asked_of_their_own_vendor(
    client: Any, says: Says, provider: Provider, dialect: str
) -> None:
    says("text")
    client.ask("text", {"extra_headers": {"anthropic-beta": "context-1m-2025-08-07"}})
    expected = "context-1m-2025-08-07" if dialect == "anthropic" else None
    assert provider.headers.get("anthropic-beta") == expected


@pytest.mark.parametrize("case", ["error"])
def test_errors_raise_what_the_sdk_raises(client: Any, says: Says, case: str) -> None:
    says(case)
    with pytest.raises(RateLimited, match="slow down"):
        client.ask("text")


@pytest.mark.parametrize("case", ["stream_cut"])
def test_a_stream_that_was_cut_is_no_answer(client: Any, says: Says, case: str) -> None:
    says(case)
    with pytest.raises(Cut):
        client.ask("stream")
