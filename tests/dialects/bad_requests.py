"""Requests that no SDK would let through, or that no provider can do with, in every client's dialect."""

import json
from typing import Any

_ASK = {"role": "user", "content": "Hi"}
_TURNS = {"chat": "messages", "responses": "input", "anthropic": "messages", "gemini": "contents"}
Calls = list[tuple[str, Any]]


def path(client_name: str, model: str) -> str:
    return {
        "chat": "/v1/chat/completions",
        "responses": "/v1/responses",
        "anthropic": "/v1/messages",
        "gemini": f"/v1beta/models/{model}:generateContent",
    }[client_name]


def plain(client_name: str, model: str) -> dict[str, Any]:
    """A question that there is nothing wrong with."""
    question: dict[str, dict[str, Any]] = {
        "chat": {"model": model, "messages": [_ASK]},
        "responses": {"model": model, "input": [_ASK]},
        "anthropic": {"model": model, "max_tokens": 9, "messages": [_ASK]},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    }
    return question[client_name]


def turns(client_name: str, calls: Calls, results: list[str]) -> list[Any]:
    """A question, calls by id and arguments as they are to be written, results by the ids of calls."""
    if client_name == "chat":
        functions = [
            {"id": one, "type": "function", "function": {"name": "look", "arguments": arguments}}
            for one, arguments in calls
        ]
        told = [{"role": "tool", "tool_call_id": one, "content": "sun"} for one in results]
        return [_ASK, {"role": "assistant", "content": None, "tool_calls": functions}, *told]
    if client_name == "responses":
        items = [
            {"type": "function_call", "call_id": one, "name": "look", "arguments": arguments}
            for one, arguments in calls
        ]
        outputs = [{"type": "function_call_output", "call_id": one, "output": "sun"} for one in results]
        return [_ASK, *items, *outputs]
    if client_name == "anthropic":
        uses = [{"type": "tool_use", "id": one, "name": "look", "input": given} for one, given in calls]
        blocks = [{"type": "tool_result", "tool_use_id": one, "content": "sun"} for one in results]
        return [_ASK, {"role": "assistant", "content": uses}, {"role": "user", "content": blocks}]
    parts = [{"functionCall": {"id": one, "name": "look", "args": given}} for one, given in calls]
    response = {"name": "look", "response": {"result": "sun"}}
    given_back = [{"functionResponse": {"id": one, **response}} for one in results]
    return [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": parts},
        {"role": "user", "parts": given_back},
    ]


def _arguments(client_name: str) -> Any:
    return "{}" if client_name in ("chat", "responses") else {}


def bad_arguments(client_name: str) -> dict[str, Any]:
    return {_TURNS[client_name]: turns(client_name, [("c1", '{"city": ')], ["c1"])}


def reused_ids(client_name: str) -> dict[str, Any]:
    calls: Calls = [("c1", _arguments(client_name))] * 2
    return {_TURNS[client_name]: turns(client_name, calls, ["c1", "c1"])}


def result_before_its_call(client_name: str) -> dict[str, Any]:
    ask, *calls, result = turns(client_name, [("c1", _arguments(client_name))], ["c1"])
    return {_TURNS[client_name]: [ask, result, *calls]}


def unknown_role(client_name: str) -> dict[str, Any]:
    said: dict[str, Any] = {"parts": [{"text": "Hi"}]} if client_name == "gemini" else {"content": "Hi"}
    return {_TURNS[client_name]: [{"role": "wizard", **said}]}


def unknown_image(client_name: str) -> dict[str, Any]:
    url = "data:image/tiff;base64,AAAA"
    source = {"type": "base64", "media_type": "image/tiff", "data": "AAAA"}
    parts: dict[str, dict[str, Any]] = {
        "chat": {"type": "image_url", "image_url": {"url": url}},
        "responses": {"type": "input_image", "image_url": url},
        "anthropic": {"type": "image", "source": source},
        "gemini": {"inlineData": {"mimeType": "image/tiff", "data": "AAAA"}},
    }
    name = "parts" if client_name == "gemini" else "content"
    return {_TURNS[client_name]: [{"role": "user", name: [parts[client_name]]}]}


def deep_schema(client_name: str) -> dict[str, Any]:
    """Deeper than `server.bounds.json_depth` lets through."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"inner": schema}}
    tools: dict[str, dict[str, Any]] = {
        "chat": {"type": "function", "function": {"name": "look", "parameters": schema}},
        "responses": {"type": "function", "name": "look", "parameters": schema, "strict": False},
        "anthropic": {"name": "look", "input_schema": schema},
        "gemini": {"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema}]},
    }
    return {"tools": [tools[client_name]]}


def unreadable(client_name: str, model: str) -> dict[str, bytes]:
    """Bodies that are no JSON object, by what is wrong with them."""
    good = json.dumps(plain(client_name, model)).encode()
    return {
        "empty": b"",
        "null": b"null",
        "a list": b"[" + good + b"]",
        "cut": good[:-3],
        "invalid UTF-8": good.replace(b"Hi", b"\xff\xfe"),
        "a key twice": good[:-1] + b"," + good[1:],
        "something behind it": good + b"{}",
    }
