"""Thoughts and their signatures, through clients that send their history back as their SDK holds it."""

import base64
import binascii
from itertools import permutations
from typing import Any

import pytest
from tests.dialects.answers.cases import CALLS, SIGNATURES, TEXT, THOUGHT, answer
from tests.dialects.conftest import BASE_PATHS, SPEAKS, Connect, expect_failure, model_at, writes
from tests.dialects.conversations import CONVERSATIONS, Turn
from tests.dialects.provider import Provider
from tests.dialects.received import FORMATS, Called, Result, Signed, Thought, standard, strings

RESULTS = ["sunny", "noon"]


class Talk:
    """A conversation, and the provider that takes part in it."""

    def __init__(self, client: Any, client_name: str, provider: Provider) -> None:
        self.client, self.client_name, self.provider = client, client_name, provider
        client.begin()

    def turn(self, dialect: str, case: str, streams: bool) -> tuple[Turn, list[Any]]:
        """Ask a provider of a dialect, which answers as in a case: what came, and the history it was sent."""
        self.client.model = model_at(dialect)
        format_ = writes(self.client_name, dialect)
        body, content_type, status = answer(format_, f"stream_{case}" if streams else case)
        self.provider.answer(body, content_type, status)
        turn: Turn = self.client.ask(streams)
        return turn, FORMATS[format_](self.provider.asked).history()


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
    return [*thoughts_in_history(client_name, dialect), *calls, *results]


def thoughts_in_history(client_name: str, dialect: str) -> list[Any]:
    """Where a provider gets thoughts back as parts of their own."""
    format_ = writes(client_name, dialect)
    if format_ in ("anthropic", "responses"):
        return [Thought(THOUGHT, SIGNATURES[format_])]
    # Others have no use for words of thought: they are there if the client speaks the dialect itself.
    return [Thought(THOUGHT, "")] if SPEAKS[client_name] == dialect else []


PIECES_APART = (
    "each event of a stream is a turn of its own in that SDK's history, and becomes a message of its own at "
    "OpenAI's: calls stand without their results, words in pieces"
)
WORDS_LOST = (
    "thoughts in pieces, then their signature on a part of its own, become a signature without thoughts"
)


def expect_trouble_with_pieces(
    request: pytest.FixtureRequest, client_name: str, dialect: str, streams: bool
) -> None:
    if client_name == "gemini" and streams and dialect != "gemini":
        expect_failure(request, PIECES_APART if dialect == "openai" else WORDS_LOST)


@pytest.mark.parametrize("case", ["thoughts", "stream_thoughts"])
def test_a_turn_that_called_tools_comes_back_with_its_signature(
    request: pytest.FixtureRequest, talk: Talk, client_name: str, dialect: str, case: str
) -> None:
    streams = case.startswith("stream")
    expect_trouble_with_pieces(request, client_name, dialect, streams)
    turn, _ = talk.turn(dialect, "thoughts_and_tools", streams)
    assert turn.thought == THOUGHT
    assert [name for _, name in turn.calls] == [name for name, _ in CALLS]
    talk.client.give(turn, RESULTS)
    answered, history = talk.turn(dialect, "text", streams)
    assert answered.text == TEXT
    assert history == history_with_calls(client_name, dialect, turn)


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "stream"])
def test_words_come_back_with_their_signature(
    request: pytest.FixtureRequest, talk: Talk, client_name: str, dialect: str, streams: bool
) -> None:
    expect_trouble_with_pieces(request, client_name, dialect, streams)
    turn, _ = talk.turn(dialect, "thoughts", streams)
    assert (turn.thought, turn.text) == (THOUGHT, TEXT)
    talk.client.say("And tomorrow?")
    _, history = talk.turn(dialect, "text", streams)
    words: Any = TEXT
    if dialect == "gemini" and client_name != "chat":
        words = Signed(TEXT, SIGNATURES["gemini"])
    thoughts = thoughts_in_history(client_name, dialect)
    # Chat completions have no place for a signature but the id of a call.
    if (client_name, dialect) == ("chat", "anthropic"):
        thoughts = []
    assert history == [*thoughts, words, "And tomorrow?"]


@pytest.mark.parametrize("dialect", ["anthropic"])
def test_thoughts_that_came_back_are_not_named_as_left_out(
    request: pytest.FixtureRequest, talk: Talk, client_name: str, dialect: str
) -> None:
    if client_name != "anthropic":
        expect_failure(request, "x-fastgate-dropped names thoughts that were sent to their own vendor")
    turn, _ = talk.turn(dialect, "thoughts_and_tools", False)
    talk.client.give(turn, RESULTS)
    answered, history = talk.turn(dialect, "text", False)
    assert history[0] == Thought(THOUGHT, SIGNATURES["anthropic"])
    assert answered.dropped == []


def holds(text: str, signature: str) -> bool:
    """Whether a signature is in a text, as it is or in base64 once more."""
    plain = standard(text)
    if signature in plain:
        return True
    try:
        return signature.encode() in base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        return False


FOREIGN_SIGNATURE = "what passes as it is has the signatures of others in it, which this provider refuses"


@pytest.mark.parametrize("case", ["elsewhere", "stream_elsewhere"])
@pytest.mark.parametrize(("dialect", "other"), list(permutations(BASE_PATHS, 2)))
def test_no_provider_gets_the_signature_of_another(
    request: pytest.FixtureRequest,
    talk: Talk,
    provider: Provider,
    client_name: str,
    dialect: str,
    other: str,
    case: str,
) -> None:
    streams = case.startswith("stream")
    own, foreign = SIGNATURES[writes(client_name, dialect)], SIGNATURES[writes(client_name, other)]
    if client_name == "gemini" and streams and "openai" in (dialect, other):
        expect_failure(request, PIECES_APART)
    elif (SPEAKS[client_name] == other and own) or (SPEAKS[client_name] == dialect and foreign):
        expect_failure(request, FOREIGN_SIGNATURE)
    first, _ = talk.turn(dialect, "thoughts_and_tools", streams)
    talk.client.give(first, RESULTS)
    second, history = talk.turn(other, "thoughts_and_tools", streams)
    kinds = [type(one) for one in history if not isinstance(one, Thought)]
    assert kinds == [Called, Called, Result, Result]
    for text in strings(provider.asked):
        assert not own or not holds(text, own), text
        assert "~sig~" not in text
    talk.client.give(second, RESULTS)
    talk.turn(dialect, "text", streams)
    sent = list(strings(provider.asked))
    assert not own or any(holds(text, own) for text in sent)
    assert not foreign or not any(holds(text, foreign) for text in sent)
