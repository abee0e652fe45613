"""Google's generateContent. A signature is with the first call, or with the last words."""

from typing import Any

from tests.dialects.answers.said import USAGE, Said, as_events, pieces

_HEAD = {"responseId": "resp-1", "modelVersion": "upstream-model"}


def _usage() -> dict[str, int]:
    input_tokens, cached, output = USAGE
    return {
        "promptTokenCount": input_tokens,
        "cachedContentTokenCount": cached,
        "candidatesTokenCount": output,
        "totalTokenCount": input_tokens + output,
    }


def _calls(said: Said) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = [
        {"functionCall": {"name": name, "args": arguments}} for name, arguments in said.calls
    ]
    if calls and said.signature:
        calls[0]["thoughtSignature"] = said.signature
    return calls


def whole(said: Said) -> Any:
    parts: list[dict[str, Any]] = [{"text": said.thought, "thought": True}] if said.thought else []
    if said.text:
        words = {"text": said.text}
        parts.append(
            {**words, "thoughtSignature": said.signature} if said.signature and not said.calls else words
        )
    parts += _calls(said)
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
    return {**_HEAD, "candidates": [candidate], "usageMetadata": _usage()}


def stream(said: Said, is_cut: bool = False) -> bytes:
    parts: list[dict[str, Any]] = []
    if said.thought:
        parts += [{"text": piece, "thought": True} for piece in pieces(said.thought)]
    if said.text:
        parts += [{"text": piece} for piece in pieces(said.text)]
    parts += _calls(said)
    answers: list[dict[str, Any]] = [
        {**_HEAD, "candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0}]}
        for part in parts
    ]
    if is_cut:
        return as_events(answers)
    end: dict[str, Any] = {"text": ""}
    if said.signature and not said.calls:
        end["thoughtSignature"] = said.signature
    last = {"content": {"role": "model", "parts": [end]}, "finishReason": "STOP", "index": 0}
    return as_events([*answers, {**_HEAD, "candidates": [last], "usageMetadata": _usage()}])
