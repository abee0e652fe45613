"""Providers' prompt caches: marks for them, and a beginning that stays the same to the byte."""

import copy
from typing import Any

import pytest
from tests.dialects.answers.cases import answer
from tests.dialects.clients import dropped
from tests.dialects.conftest import Connect, Says, model_at, writes
from tests.dialects.conversations import CONVERSATIONS
from tests.dialects.provider import Provider
from tests.dialects.raw_json import elements, members

KIND: dict[str, Any] = {"type": "text", "text": "Be kind."}
HOUR = {"type": "ephemeral", "ttl": "1h"}
MINUTES = {"type": "ephemeral"}
# Where the turns of a conversation are, and what stands before them.
TURNS = {"openai": "messages", "responses": "input", "anthropic": "messages", "gemini": "contents"}
BEFORE = {
    "openai": ["tools"],
    "responses": ["tools", "instructions"],
    "anthropic": ["tools", "system"],
    "gemini": ["tools", "systemInstruction"],
}


def marked_for_anthropic(client: Any) -> Any:
    """Marks at every place that Anthropic has for them."""
    use = {"type": "tool_use", "id": "call_0", "name": "get_weather", "input": {}, "cache_control": MINUTES}
    result = {"type": "tool_result", "tool_use_id": "call_0", "content": "sunny", "cache_control": MINUTES}
    return client.sdk.messages.with_raw_response.create(
        model=client.model,
        max_tokens=100,
        system=[
            {"type": "text", "text": "Be brief."},
            {**KIND, "cache_control": HOUR},
        ],
        tools=[
            {"name": "get_time", "input_schema": {"type": "object"}},
            {"name": "get_weather", "input_schema": {"type": "object"}, "cache_control": HOUR},
        ],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "Weather?", "cache_control": MINUTES}]},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
    )


def marked_for_chat(client: Any) -> Any:
    """The same marks, where OpenAI-compatible vendors in front of Anthropic's models take them."""
    call = {"id": "call_0", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    result = {"type": "text", "text": "sunny", "cache_control": MINUTES}
    parts = [
        {"type": "text", "text": "Be brief."},
        {**KIND, "cache_control": HOUR},
    ]
    return client.sdk.chat.completions.with_raw_response.create(
        model=client.model,
        tools=[
            {"type": "function", "function": {"name": "get_time"}},
            {"type": "function", "function": {"name": "get_weather"}, "cache_control": HOUR},
        ],
        messages=[
            {"role": "system", "content": parts},
            {"role": "user", "content": [{"type": "text", "text": "Weather?", "cache_control": MINUTES}]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0", "content": [result]},
        ],
    )


MARKED = {"anthropic": marked_for_anthropic, "chat": marked_for_chat}


def marks(value: Any, path: str = "") -> dict[str, Any]:
    """Marks by where they stand."""
    if isinstance(value, list):
        children = [(f"{path}.{at}", one) for at, one in enumerate(value)]
    elif isinstance(value, dict):
        children = [(f"{path}.{name}", one) for name, one in value.items()]
    else:
        return {}
    found = {}
    if isinstance(value, dict) and "cache_control" in value:
        found[path] = value["cache_control"]
    for at, one in children:
        found |= marks(one, at)
    return found


@pytest.mark.parametrize("case", ["cache_marks"])
@pytest.mark.parametrize("client_name", list(MARKED))
def test_marks_reach_those_who_know_them(
    client: Any, says: Says, provider: Provider, client_name: str, dialect: str, case: str
) -> None:
    says("text")
    raw = MARKED[client_name](client)
    found = marks(provider.asked)
    if (client_name, dialect) == ("chat", "openai"):
        assert len(found) == 4
    elif dialect == "anthropic":
        expected = {
            ".system.1": HOUR,
            ".tools.1": HOUR,
            ".messages.0.content.0": MINUTES,
            ".messages.1.content.0": MINUTES,
            ".messages.2.content.0": MINUTES,
        }
        if client_name == "chat":
            # Its calls have no place for one, and its results only within.
            del expected[".messages.1.content.0"]
            expected[".messages.2.content.0.content.0"] = expected.pop(".messages.2.content.0")
        assert found == expected
    else:
        assert found == {}
    passes = dialect == "anthropic" or (client_name, dialect) == ("chat", "openai")
    assert dropped(raw.headers) == ([] if passes else ["cache_control"])


def before_the_last_turn(provider: Provider, format_: str) -> tuple[dict[str, str], list[str]]:
    """As it is written: what stands before the turns, and the turns."""
    written = members(provider.raw.decode())
    assert all(name in written for name in BEFORE[format_])
    before = {name: value for name, value in written.items() if name != TURNS[format_]}
    return before, elements(written[TURNS[format_]])


@pytest.mark.parametrize("case", ["cache_prefix"])
def test_what_was_said_stays_the_same_to_the_byte(
    connect: Connect, provider: Provider, client_name: str, dialect: str, case: str
) -> None:
    client = connect(client_name, dialect, CONVERSATIONS)
    client.begin(model_at(dialect))
    format_ = writes(client_name, dialect)

    def ask(case: str) -> Any:
        body, content_type, status = answer(format_, case)
        provider.answer(body, content_type, status)
        return client.ask(streams=False)

    turn = ask("thoughts_and_tools")
    client.give(turn, ["sunny", "noon"])
    before, turns = before_the_last_turn(provider, format_)
    ask("text")
    grown = before_the_last_turn(provider, format_)
    assert grown[0] == before
    assert grown[1][: len(turns)] == turns

    kept = {name: copy.copy(value) for name, value in vars(client).items() if isinstance(value, list)}
    client.say("And “tomorrow”?")
    ask("text")
    one = provider.raw.decode()
    assert before_the_last_turn(provider, format_)[1][: len(grown[1])] == grown[1]
    for name, value in kept.items():
        setattr(client, name, value)
    client.say("And yesterday?")
    ask("text")
    another = provider.raw.decode()
    assert one != another
    place = one.rindex("And ")
    assert another[:place] == one[:place]
    assert another.rindex("And ") == place
