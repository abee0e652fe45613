"""OpenAI's chat completions. Thoughts are in `reasoning_content`, where vendors that show them put them."""

import json
from typing import Any

from tests.dialects.answers.said import USAGE, Said, as_events, pieces

_HEAD = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "upstream-model"}


def _usage() -> dict[str, Any]:
    input_tokens, cached, output = USAGE
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output,
        "total_tokens": input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _calls(said: Said) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for at, (name, arguments) in enumerate(said.calls)
    ]


def _reason(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


def whole(said: Said) -> Any:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.calls:
        message["tool_calls"] = _calls(said)
    choice = {"index": 0, "message": message, "finish_reason": _reason(said)}
    return {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _usage()}


def stream(said: Said, is_cut: bool = False) -> bytes:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if said.thought:
        deltas += [{"reasoning_content": piece} for piece in pieces(said.thought)]
    if said.text:
        deltas += [{"content": piece} for piece in pieces(said.text)]
    for at, call in enumerate(_calls(said)):
        function = call["function"]
        begun = {**call, "index": at, "function": {"name": function["name"], "arguments": ""}}
        deltas.append({"tool_calls": [begun]})
        for piece in pieces(function["arguments"]):
            deltas.append({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})
    chunks = [{**_HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if is_cut:
        return as_events(chunks)
    chunks.append({**_HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": _reason(said)}]})
    chunks.append({**_HEAD, "choices": [], "usage": _usage()})
    return as_events(chunks, end=b"data: [DONE]\n\n")
