"""What providers of each dialect answer in the cases of the matrix, as their manuals show it."""

import json
from types import ModuleType
from typing import Any

from tests.dialects.answers import anthropic, gemini, openai_chat, openai_responses
from tests.dialects.answers.said import Said
from tests.dialects.provider import EVENTS, JSON

TEXT = 'Hëllo, "world".\n'
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_weather", {"city": "Zürich", "days": 3}),
    ("get_time", {"zone": "CET"}),
]
THOUGHT = "The user asks\nfor “weather”."
# As each vendor writes them; the last character of both alphabets of base64 is in those that allow it.
SIGNATURES = {
    "openai": "",
    "responses": "gAAAAABo-reasoning_of-openai==",
    "anthropic": "EqQBCgIYAhIM+anthropic/signature0==",
    "gemini": "CpYEAVSoXO+gemini/signatureBA==",
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


def answer(dialect: str, case: str) -> tuple[bytes, str, int]:
    """Body, type and status of what a provider answers; cases that begin with `stream` come in events."""
    writer = _WRITERS[dialect]
    if case == "error":
        return json.dumps(_ERRORS[dialect]).encode(), JSON, 429
    if case == "stream_cut":
        return writer.stream(said_in(dialect, "text"), is_cut=True), EVENTS, 200
    if case.startswith("stream"):
        said = said_in(dialect, case.removeprefix("stream").removeprefix("_") or "text")
        return writer.stream(said), EVENTS, 200
    return json.dumps(writer.whole(said_in(dialect, case))).encode(), JSON, 200
