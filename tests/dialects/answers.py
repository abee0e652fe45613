"""What providers of each dialect answer in the cases of the matrix, as their manuals show it."""

import json
from typing import Any

from tests.dialects.provider import EVENTS, JSON

TEXT = 'Hëllo, "world".\n'
CALLS = [("get_weather", {"city": "Zürich", "days": 3}), ("get_time", {"zone": "CET"})]
# Input tokens, of them cached, output tokens.
USAGE = (120, 100, 7)


def _events(events: list[Any], named: bool = False, end: bytes = b"") -> bytes:
    names = [f"event: {event['type']}\n" if named else "" for event in events]
    frames = [f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)]
    return "".join(frames).encode() + end


def _openai(case: str) -> Any:
    input_tokens, cached, output = USAGE
    usage = {
        "prompt_tokens": input_tokens,
        "completion_tokens": output,
        "total_tokens": input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    calls = [
        {
            "id": f"call_{at}",
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        }
        for at, (name, arguments) in enumerate(CALLS)
    ]
    head = {"id": "chatcmpl-1", "created": 1_700_000_000, "model": "upstream-model"}
    if not case.startswith("stream"):
        message: dict[str, Any] = {"role": "assistant", "content": TEXT}
        if case == "tools":
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": "tool_calls" if case == "tools" else "stop",
        }
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if case == "stream_tools":
        for at, call in enumerate(calls):
            arguments = call["function"]["arguments"]  # type: ignore[index]
            function = {"name": CALLS[at][0], "arguments": ""}
            deltas.append(
                {"tool_calls": [{"index": at, "id": call["id"], "type": "function", "function": function}]}
            )
            pieces = [{"arguments": piece} for piece in (arguments[:5], arguments[5:])]
            deltas += [{"tool_calls": [{"index": at, "function": piece}]} for piece in pieces]
    else:
        deltas += [{"content": piece} for piece in (TEXT[:4], TEXT[4:])]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    reason = "tool_calls" if case == "stream_tools" else "stop"
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    chunks.append({**head, "choices": [], "usage": usage})
    if case == "stream_cut":
        return _events(chunks[:-2])
    return _events(chunks, end=b"data: [DONE]\n\n")


def _anthropic(case: str) -> Any:
    input_tokens, cached, output = USAGE
    usage = {
        "input_tokens": input_tokens - cached,
        "cache_read_input_tokens": cached,
        "output_tokens": output,
    }
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "upstream-model"}
    calls = [
        {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": arguments}
        for at, (name, arguments) in enumerate(CALLS)
    ]
    ends = {"stop_reason": "tool_use" if case.endswith("tools") else "end_turn", "stop_sequence": None}
    if not case.startswith("stream"):
        content = calls if case == "tools" else [{"type": "text", "text": TEXT}]
        return {**head, "content": content, **ends, "usage": usage}
    events: list[dict[str, Any]] = [
        {
            "type": "message_start",
            "message": {**head, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}},
        },
        {"type": "ping"},
    ]
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]]
    if case == "stream_tools":
        blocks = []
        for call in calls:
            text = json.dumps(call["input"])
            deltas = [
                {"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:5], text[5:])
            ]
            blocks.append(({**call, "input": {}}, deltas))
    else:
        pieces = [{"type": "text_delta", "text": piece} for piece in (TEXT[:4], TEXT[4:])]
        blocks = [({"type": "text", "text": ""}, pieces)]
    for at, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": at, "content_block": block})
        events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": at})
    events.append({"type": "message_delta", "delta": ends, "usage": {"output_tokens": output}})
    events.append({"type": "message_stop"})
    return _events(events[:-3] if case == "stream_cut" else events, named=True)


def _gemini(case: str) -> Any:
    input_tokens, cached, output = USAGE
    usage = {
        "promptTokenCount": input_tokens,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": output,
        "totalTokenCount": input_tokens + output,
    }
    head = {"responseId": "resp-1", "modelVersion": "upstream-model"}
    calls = [{"functionCall": {"name": name, "args": arguments}} for name, arguments in CALLS]
    parts = calls if case.endswith("tools") else [{"text": TEXT}]
    if not case.startswith("stream"):
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        return {**head, "candidates": [candidate], "usageMetadata": usage}
    if case != "stream_tools":
        parts = [{"text": TEXT[:4]}, {"text": TEXT[4:]}]
    answers: list[dict[str, Any]] = [
        {**head, "candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]}
        for part in parts
    ]
    last = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}
    answers.append({**head, "candidates": [last], "usageMetadata": usage})
    return _events(answers[:-1] if case == "stream_cut" else answers)


_ERRORS: dict[str, Any] = {
    "openai": {
        "error": {"message": "slow down", "type": "rate_limit_error", "param": None, "code": "rate_limited"}
    },
    "anthropic": {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}},
    "gemini": {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}},
}
_WRITERS = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


def answer(dialect: str, case: str) -> tuple[bytes, str, int]:
    """Body, type and status of what a provider answers."""
    if case == "error":
        return json.dumps(_ERRORS[dialect]).encode(), JSON, 429
    written = _WRITERS[dialect](case)
    if isinstance(written, bytes):
        return written, EVENTS, 200
    return json.dumps(written).encode(), JSON, 200
