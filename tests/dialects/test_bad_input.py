"""Bad requests and bad answers: a clear error in the client's dialect, and the next request is served."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.blackbox.configuration import KEY
from tests.blackbox.gateway import Answer, Gateway
from tests.dialects import bad_requests
from tests.dialects.answers.cases import TEXT, answer
from tests.dialects.clients import Cut
from tests.dialects.conftest import Says, model_at, writes
from tests.dialects.matrix import CLIENTS, PROVIDERS, SPEAKS
from tests.dialects.provider import EVENTS, JSON, Provider

HEADERS = {"content-type": JSON, "authorization": f"Bearer {KEY}"}
EVENT_BYTES = 4_000_000


@pytest.fixture
def post(gateway: Gateway, client_name: str, dialect: str) -> Callable[[bytes], Answer]:
    """Sends bytes as a request of that client's."""
    path = bad_requests.path(client_name, model_at(dialect))
    return lambda body: gateway.fetch("POST", path, body, HEADERS)


@pytest.fixture
def ask_badly(post: Any, client_name: str, dialect: str) -> Callable[[dict[str, Any]], Answer]:
    good = bad_requests.plain(client_name, model_at(dialect))
    return lambda bad: post(json.dumps({**good, **bad}).encode())


@pytest.fixture
def is_served(client: Any, says: Says) -> Callable[[], None]:
    """Whether the next request is: through the SDK."""

    def ask() -> None:
        says("text")
        assert client.ask("text").text == TEXT

    return ask


def error_in(client_name: str, answer: Answer) -> str:
    """The message of an error in the client's dialect."""
    body = answer.json()
    error: dict[str, Any] = body["error"]
    if client_name == "gemini":
        assert error["code"] == answer.status
        assert isinstance(error["status"], str)
    elif client_name == "anthropic":
        assert body["type"] == "error"
        assert isinstance(error["type"], str)
    else:
        assert {"message", "type", "param", "code"} <= error.keys()
    message: str = error["message"]
    return message


# A case, and for each provider what the message of a refusal says; who is not in it judges for itself.
BAD: list[tuple[Callable[[str], dict[str, Any]], dict[str, str]]] = [
    (bad_requests.reused_ids, {}),
    (bad_requests.result_before_its_call, {"gemini": "no tool call before has the id c1"}),
    (bad_requests.unknown_image, {"anthropic": "image/tiff"}),
    (bad_requests.unknown_role, dict.fromkeys(("openai", "anthropic", "gemini"), "role")),
]


@pytest.mark.parametrize(("bad", "refused"), [pytest.param(*one, id=one[0].__name__) for one in BAD])
def test_histories_that_do_not_fit(
    ask_badly: Any,
    is_served: Any,
    says: Says,
    provider: Provider,
    client_name: str,
    dialect: str,
    bad: Any,
    refused: dict[str, str],
) -> None:
    says("text")
    answered = ask_badly(bad(client_name))
    if dialect in refused and SPEAKS[client_name] != dialect:
        assert answered.status == 400
        assert refused[dialect] in error_in(client_name, answered)
        assert provider.asked is None
    else:
        assert answered.status == 200
        written = json.dumps(bad(client_name))
        for mark in ("c1", "image/tiff", "wizard"):
            assert provider.raw.decode().count(mark) == written.count(mark)
    is_served()


def test_arguments_that_are_no_json(
    ask_badly: Any, is_served: Any, says: Says, provider: Provider, client_name: str, dialect: str
) -> None:
    says("text")
    answered = ask_badly(bad_requests.bad_arguments(client_name))
    if SPEAKS[client_name] == dialect:
        assert answered.status == 200
        assert rb"{\"city\": " in provider.raw
    else:
        assert answered.status == 400
        names = {"anthropic": "messages.content.input", "gemini": "contents.parts.functionCall.args"}
        assert names.get(client_name, "c1") in error_in(client_name, answered)
        assert provider.asked is None
    is_served()


def test_a_schema_deeper_than_the_limit(
    ask_badly: Any, is_served: Any, says: Says, provider: Provider, client_name: str
) -> None:
    says("text")
    answered = ask_badly(bad_requests.deep_schema(client_name))
    assert answered.status == 400
    assert "too deeply" in error_in(client_name, answered)
    assert provider.asked is None
    is_served()


@pytest.mark.parametrize("wrong", list(bad_requests.unreadable("chat", "")))
def test_bodies_that_are_no_object(
    post: Any, is_served: Any, says: Says, provider: Provider, client_name: str, dialect: str, wrong: str
) -> None:
    says("text")
    answered = post(bad_requests.unreadable(client_name, model_at(dialect))[wrong])
    assert answered.status == 400
    assert "body" in error_in(client_name, answered)
    assert provider.asked is None
    is_served()


WORDS = b"H\\u00ebll"
NO_UTF8 = b"H\xff\xfell"


def spoiled(client_name: str, dialect: str, case: str, by: bytes) -> bytes:
    """What a provider answers in a case, with other bytes for its words."""
    body, _, _ = answer(writes(client_name, dialect), case)
    assert WORDS in body
    return body.replace(WORDS, by)


def test_one_piece_where_a_stream_was_due(
    client: Any, is_served: Any, provider: Provider, client_name: str, dialect: str
) -> None:
    body, _, _ = answer(writes(client_name, dialect), "text")
    provider.answer(body, JSON)
    with pytest.raises(Cut, match="in one piece where a stream was asked for"):
        client.ask("stream")
    is_served()


def test_a_stream_where_one_piece_was_due(
    ask_badly: Any,
    is_served: Any,
    provider: Provider,
    client_name: str,
    dialect: str,
) -> None:
    body, _, _ = answer(writes(client_name, dialect), "stream")
    provider.answer(body, EVENTS)
    answered = ask_badly({})
    is_served()
    assert answered.status == 502
    assert "stream" in error_in(client_name, answered)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"", JSON), (b"<html>", "text/html"), (b"[]", JSON), (b'{"id"', JSON), (b"null", JSON)],
    ids=["nothing", "a page", "a list", "half", "null"],
)
def test_an_answer_that_is_none(
    ask_badly: Any, is_served: Any, provider: Provider, client_name: str, body: bytes, content_type: str
) -> None:
    provider.answer(body, content_type)
    answered = ask_badly({})
    assert answered.status == 502
    assert "the provider answered" in error_in(client_name, answered)
    is_served()


def test_an_answer_with_nothing_in_it(
    ask_badly: Any,
    is_served: Any,
    provider: Provider,
    client_name: str,
    dialect: str,
) -> None:
    provider.answer(b"{}", JSON)
    answered = ask_badly({})
    is_served()
    assert answered.status == 502
    assert "the provider answered" in error_in(client_name, answered)


def test_an_answer_that_is_no_utf8(
    ask_badly: Any, is_served: Any, provider: Provider, client_name: str, dialect: str
) -> None:
    body = spoiled(client_name, dialect, "text", NO_UTF8)
    provider.answer(body, JSON)
    answered = ask_badly({})
    if SPEAKS[client_name] == dialect:
        assert (answered.status, answered.body) == (200, body)
    else:
        assert answered.status == 502
        assert "no answer" in error_in(client_name, answered)
    is_served()


@pytest.mark.parametrize(
    ("client_name", "dialect"),
    [(name, dialect) for name in CLIENTS for dialect in PROVIDERS if SPEAKS[name] != dialect],
)
@pytest.mark.parametrize("by", [NO_UTF8, b'"'], ids=["no UTF-8", "no JSON"])
def test_an_event_that_can_not_be_read(
    client: Any,
    is_served: Any,
    provider: Provider,
    client_name: str,
    dialect: str,
    by: bytes,
) -> None:
    provider.answer(spoiled(client_name, dialect, "stream", by), EVENTS)
    try:
        heard = client.ask("stream")
    except Cut:
        heard = None
    is_served()
    assert heard is None


def test_an_event_of_five_megabytes(
    client: Any, is_served: Any, provider: Provider, client_name: str, dialect: str
) -> None:
    provider.answer(spoiled(client_name, dialect, "stream", b"x" * 5_000_000), EVENTS)
    with pytest.raises(Cut, match=f"larger than {EVENT_BYTES} bytes"):
        client.ask("stream")
    is_served()


def test_an_event_of_three_megabytes(client: Any, provider: Provider, client_name: str, dialect: str) -> None:
    provider.answer(spoiled(client_name, dialect, "stream", b"x" * 3_000_000), EVENTS)
    assert client.ask("stream").text.startswith("x" * 3_000_000)


def test_a_stream_of_nothing(client: Any, is_served: Any, provider: Provider) -> None:
    provider.answer(b"", EVENTS)
    with pytest.raises(Cut, match="before the answer was complete"):
        client.ask("stream")
    is_served()
