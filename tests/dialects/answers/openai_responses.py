"""OpenAI's responses. A signature is the encrypted content of a reasoning item."""

import json
from typing import Any

from tests.dialects.answers.said import USAGE, Said, as_events, pieces


def _items(said: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if said.thought:
        summary = [{"type": "summary_text", "text": said.thought}]
        items.append(
            {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": said.signature}
        )
    if said.text:
        content = [{"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}]
        message = {"type": "message", "id": "msg_1", "role": "assistant", "content": content}
        items.append({**message, "status": "completed"})
    for at, (name, arguments) in enumerate(said.calls):
        call = {"type": "function_call", "id": f"fc_{at}", "call_id": f"call_{at}", "name": name}
        items.append({**call, "arguments": json.dumps(arguments), "status": "completed"})
    return items


def whole(said: Said) -> Any:
    input_tokens, cached, output = USAGE
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": "upstream-model",
        "output": _items(said),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": input_tokens,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input_tokens + output,
        },
    }


def _of_item(at: int, item: dict[str, Any]) -> list[dict[str, Any]]:
    here = {"output_index": at, "item_id": item["id"]}
    inner: list[dict[str, Any]] = []
    if item["type"] == "reasoning":
        begun = {**item, "summary": [], "encrypted_content": ""}
        here["summary_index"] = 0
        (part,) = item["summary"]
        prefix = "response.reasoning_summary"
        inner.append({"type": f"{prefix}_part.added", **here, "part": {**part, "text": ""}})
        delta = {"type": f"{prefix}_text.delta", **here}
        inner += [{**delta, "delta": piece} for piece in pieces(part["text"])]
        inner.append({"type": f"{prefix}_text.done", **here, "text": part["text"]})
        inner.append({"type": f"{prefix}_part.done", **here, "part": part})
    elif item["type"] == "message":
        begun = {**item, "content": [], "status": "in_progress"}
        here["content_index"] = 0
        (part,) = item["content"]
        inner.append({"type": "response.content_part.added", **here, "part": {**part, "text": ""}})
        delta = {"type": "response.output_text.delta", **here, "logprobs": []}
        inner += [{**delta, "delta": piece} for piece in pieces(part["text"])]
        inner.append({"type": "response.output_text.done", **here, "text": part["text"], "logprobs": []})
        inner.append({"type": "response.content_part.done", **here, "part": part})
    else:
        begun = {**item, "arguments": "", "status": "in_progress"}
        prefix = "response.function_call_arguments"
        delta = {"type": f"{prefix}.delta", **here}
        inner += [{**delta, "delta": piece} for piece in pieces(item["arguments"])]
        inner.append({"type": f"{prefix}.done", **here, "name": item["name"], "arguments": item["arguments"]})
    added = {"type": "response.output_item.added", "output_index": at, "item": begun}
    return [added, *inner, {"type": "response.output_item.done", "output_index": at, "item": item}]


def stream(said: Said, is_cut: bool = False) -> bytes:
    answer = whole(said)
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    events = [{"type": "response.created", "response": begun}]
    for at, item in enumerate(answer["output"]):
        events += _of_item(at, item)
    if is_cut:
        del events[-3:]
    else:
        events.append({"type": "response.completed", "response": answer})
    return as_events([{**event, "sequence_number": at} for at, event in enumerate(events)], named=True)
