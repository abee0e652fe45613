"""What providers of each dialect answer in the cases of the matrix, as their manuals show it."""

import json
from types import ModuleType
from typing import Any

from tests.dialects.answers import anthropic, gemini, openai_chat, openai_responses
from tests.dialects.answers.said import Said
from tests.dialects.provider import EVENTS, JSON, Answered

TEXT = 'Hëllo, "world".\n'
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_weather", {"city": "Zürich", "days": 3}),
    ("get_time", {"zone": "CET"}),
]
THOUGHT = "The user asks\nfor “weather”."
# In the alphabets of their vendors: what is decoded and encoded once more on its way must come out as it was.
SIGNATURES = {
    "openai": "",
    "responses": "gAAAAABo--__vf__of-openai==",
    "anthropic": "EqQB++++///+IHRob3VnaHQgb2YgYW50aHJvcGlj",
    "gemini": "CpYE++++///+IHRob3VnaHQgb2YgZ2VtaW5pISE=",
}

_WRITERS: dict[str, ModuleType] = {
    "openai": openai_chat,
    "responses": openai_responses,
    "anthropic": anthropic,
    "gemini": gemini,
}
_OPENAI_ERROR = {
    "error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limited"}
}
_ERRORS: dict[str, Any] = {
    "openai": _OPENAI_ERROR,
    "responses": _OPENAI_ERROR,
    "anthropic": {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}},
    "gemini": {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}},
}


def said_in(dialect: str, case: str) -> Said:
    """What the model says in a case; only its signature is the vendor's own."""
    thoughts = Said(thought=THOUGHT, signature=SIGNATURES[dialect])
    return {
        "text": Said(text=TEXT),
        "tools": Said(calls=tuple(CALLS)),
        "thoughts": Said(thought=thoughts.thought, signature=thoughts.signature, text=TEXT),
        "thoughts_and_tools": Said(
            thought=thoughts.thought, signature=thoughts.signature, calls=tuple(CALLS)
        ),
    }[case]


def written(dialect: str, said: Said, streams: bool) -> Answered:
    """How a provider answers with what its model says."""
    writer = _WRITERS[dialect]
    if streams:
        return writer.stream(said), EVENTS, 200
    return json.dumps(writer.whole(said)).encode(), JSON, 200


def answer(dialect: str, case: str) -> Answered:
    """What a provider answers; cases that begin with `stream` come in events."""
    if case == "error":
        return json.dumps(_ERRORS[dialect]).encode(), JSON, 429
    if case == "stream_cut":
        return _WRITERS[dialect].stream(said_in(dialect, "text"), is_cut=True), EVENTS, 200
    if case.startswith("stream"):
        said = said_in(dialect, case.removeprefix("stream").removeprefix("_") or "text")
        return written(dialect, said, streams=True)
    return written(dialect, said_in(dialect, case), streams=False)
