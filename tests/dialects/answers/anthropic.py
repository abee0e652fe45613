"""Anthropic's messages."""

import json
from typing import Any

from tests.dialects.answers.said import USAGE, Said, as_events, pieces

_HEAD = {"id": "msg_1", "type": "message", "role": "assistant", "model": "upstream-model"}


def _usage() -> dict[str, int]:
    input_tokens, cached, output = USAGE
    return {
        "input_tokens": input_tokens - cached,
        "cache_read_input_tokens": cached,
        "output_tokens": output,
    }


def _blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": said.signature})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    for at, (name, arguments) in enumerate(said.calls):
        blocks.append({"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": arguments})
    return blocks


def _ends(said: Said) -> dict[str, Any]:
    return {"stop_reason": "tool_use" if said.calls else "end_turn", "stop_sequence": None}


def whole(said: Said) -> Any:
    return {**_HEAD, "content": _blocks(said), **_ends(said), "usage": _usage()}


def _of_block(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {**block, "thinking": "", "signature": ""}, deltas
    if block["type"] == "text":
        return {**block, "text": ""}, [
            {"type": "text_delta", "text": piece} for piece in pieces(block["text"])
        ]
    written = ("", *pieces(json.dumps(block["input"])))
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": one} for one in written]


def stream(said: Said, is_cut: bool = False) -> bytes:
    usage = {**_usage(), "output_tokens": 1}
    begun: dict[str, Any] = {**_HEAD, "content": [], "stop_reason": None, "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for at, block in enumerate(_blocks(said)):
        start, deltas = _of_block(block)
        events.append({"type": "content_block_start", "index": at, "content_block": start})
        events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": at})
    if is_cut:
        return as_events(events[:-1], named=True)
    events.append({"type": "message_delta", "delta": _ends(said), "usage": {"output_tokens": USAGE[2]}})
    events.append({"type": "message_stop"})
    return as_events(events, named=True)
