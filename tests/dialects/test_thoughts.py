"""Thoughts and their signatures, through clients that send their history back as their SDK holds it."""

import base64
import binascii
from itertools import permutations
from typing import Any

import pytest
from tests.dialects.answers.cases import CALLS, SIGNATURES, TEXT, THOUGHT, answer
from tests.dialects.conftest import (
    BASE_PATHS,
    Connect,
    model_at,
    writes,
)
from tests.dialects.conversations import CONVERSATIONS, Turn
from tests.dialects.matrix import SPEAKS
from tests.dialects.provider import Provider
from tests.dialects.received import FORMATS, Called, Result, Signed, Thought, standard, strings

RESULTS = ["sunny", "noon"]


class Talk:
    """A conversation, and the provider that takes part in it."""

    def __init__(self, client: Any, client_name: str, provider: Provider) -> None:
        self.client, self.client_name, self.provider = client, client_name, provider
        client.begin(model_at("openai"))

    def turn(self, dialect: str, case: str, streams: bool) -> Turn:
        """Ask a provider of a dialect, which answers as in a case."""
        self.client.model = model_at(dialect)
        self.format = writes(self.client_name, dialect)
        body, content_type, status = answer(self.format, f"stream_{case}" if streams else case)
        self.provider.answer(body, content_type, status)
        turn: Turn = self.client.ask(streams)
        return turn

    def history(self) -> list[Any]:
        """What the provider was sent last, behind the first question."""
        found: list[Any] = FORMATS[self.format](self.provider.asked).history()
        return found


@pytest.fixture
def talk(connect: Connect, provider: Provider, client_name: str) -> Talk:
    return Talk(connect(client_name, "openai", CONVERSATIONS), client_name, provider)


def history_with_calls(client_name: str, dialect: str, turn: Turn) -> list[Any]:
    """What a provider is to get back after it called tools."""
    format_ = writes(client_name, dialect)
    signature = SIGNATURES[format_]
    ids = [identity.partition("~sig~")[0] for identity, _ in turn.calls]
    of = [name for name, _ in CALLS] if dialect == "gemini" else ids
    calls = [Called(ids[at], name, arguments) for at, (name, arguments) in enumerate(CALLS)]
    if dialect == "gemini":
        calls[0] = Called(ids[0], *CALLS[0], signature)
    results = [Result(*pair) for pair in zip(of, RESULTS, strict=True)]
    thoughts = thoughts_in_history(client_name, dialect)
    if format_ == "openai":
        # The vendors that give thoughts there want them back with calls.
        thoughts = [Thought(THOUGHT, "")]
    return [*thoughts, *calls, *results]


def thoughts_in_history(client_name: str, dialect: str) -> list[Any]:
    """Where a provider gets thoughts back as parts of their own."""
    format_ = writes(client_name, dialect)
    if format_ in ("anthropic", "responses"):
        return [Thought(THOUGHT, SIGNATURES[format_])]
    # Others have no use for words of thought: they are there if the client speaks the dialect itself.
    return [Thought(THOUGHT, "")] if SPEAKS[client_name] == dialect else []


@pytest.mark.parametrize("case", ["thoughts", "stream_thoughts"])
def test_a_turn_that_called_tools_comes_back_with_its_signature(
    talk: Talk, client_name: str, dialect: str, case: str
) -> None:
    streams = case.startswith("stream")
    turn = talk.turn(dialect, "thoughts_and_tools", streams)
    assert turn.thought == THOUGHT
    assert [name for _, name in turn.calls] == [name for name, _ in CALLS]
    talk.client.give(turn, RESULTS)
    answered = talk.turn(dialect, "text", streams)
    assert answered.text == TEXT
    assert talk.history() == history_with_calls(client_name, dialect, turn)


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_words_come_back_with_their_signature(
    talk: Talk, client_name: str, dialect: str, streams: bool
) -> None:
    turn = talk.turn(dialect, "thoughts", streams)
    assert (turn.thought, turn.text) == (THOUGHT, TEXT)
    talk.client.say("And tomorrow?")
    talk.turn(dialect, "text", streams)
    words: Any = TEXT
    if dialect == "gemini" and client_name != "chat":
        words = Signed(TEXT, SIGNATURES["gemini"])
    thoughts = thoughts_in_history(client_name, dialect)
    # Chat completions have no place for a signature but the id of a call.
    if (client_name, dialect) == ("chat", "anthropic"):
        thoughts = []
    assert talk.history() == [*thoughts, words, "And tomorrow?"]


@pytest.mark.parametrize("dialect", ["anthropic"])
def test_thoughts_that_came_back_are_not_named_as_left_out(
    talk: Talk, client_name: str, dialect: str
) -> None:
    turn = talk.turn(dialect, "thoughts_and_tools", False)
    talk.client.give(turn, RESULTS)
    answered = talk.turn(dialect, "text", False)
    assert talk.history()[0] == Thought(THOUGHT, SIGNATURES["anthropic"])
    assert answered.dropped == []


def holds(text: str, signature: str) -> bool:
    """Whether a signature is in a text, as it is or in base64 once more."""
    plain = standard(text)
    if standard(signature) in plain:
        return True
    try:
        return signature.encode() in base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        return False


@pytest.mark.parametrize("case", ["elsewhere", "stream_elsewhere"])
@pytest.mark.parametrize(("dialect", "other"), list(permutations(BASE_PATHS, 2)))
def test_no_provider_gets_the_signature_of_another(
    talk: Talk,
    provider: Provider,
    client_name: str,
    dialect: str,
    other: str,
    case: str,
) -> None:
    streams = case.startswith("stream")
    own = SIGNATURES[writes(client_name, dialect)]
    first = talk.turn(dialect, "thoughts_and_tools", streams)
    talk.client.give(first, RESULTS)
    second = talk.turn(other, "thoughts_and_tools", streams)
    history = talk.history()
    assert [type(one) for one in history if not isinstance(one, Thought)] == [Called, Called, Result, Result]
    assert other != "anthropic" or not any(isinstance(one, Thought) for one in history)
    for text in strings(provider.asked):
        assert not own or not holds(text, own)
        assert "~sig~" not in text
    talk.client.give(second, RESULTS)
    talk.turn(dialect, "text", streams)
    assert not own or any(holds(text, own) for text in strings(provider.asked))
