"""What a right reply is: the bytes the upstream gives when asked directly, or at least their content."""

import json
import re
from dataclasses import dataclass
from typing import Any

from bench.http1 import Connection, Reply
from bench.loop import Check
from bench.payload import Dialect, Kind, Request
from bench.processes import BenchError

ID = re.compile(rb'"id":\s?"((?:chatcmpl-|msg_)[^"]*)"')
FRESH = re.compile(rb'"id":\s?"(?:chatcmpl-|msg_)[^"]*"|"created":\s?\d+')


def events(body: bytes) -> list[bytes]:
    """The server-sent events of a body, without their blank lines."""
    return [event for event in body.replace(b"\r\n", b"\n").split(b"\n\n") if event]


def content(body: bytes) -> str:
    """The text of a chat answer in either dialect, JSON or stream.

    Raises:
        BenchError: when the answer is an error, or a stream without an end.
    """
    try:
        if not body.lstrip().startswith((b"data:", b":", b"event:")):
            return _whole(json.loads(body))
        text, ended = "", False
        for event in events(body):
            data = b"".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
            if data == b"[DONE]":
                ended = True
            elif data:
                document = json.loads(data)
                ended |= document.get("type") == "message_stop"
                text += _piece(document)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BenchError(f"not a chat answer: {body[:200]!r}") from error
    if not ended:
        raise BenchError("stream without [DONE] or message_stop")
    return text


def _whole(document: dict[str, Any]) -> str:
    """Of a whole answer."""
    if document.get("type") == "message":
        return "".join(block["text"] for block in document["content"])
    return str(document["choices"][0]["message"]["content"])


def _piece(document: dict[str, Any]) -> str:
    """Of one event."""
    if document.get("type") == "content_block_delta":
        return str(document["delta"]["text"])
    return "".join(choice["delta"].get("content") or "" for choice in document.get("choices", ()))


def masked(body: bytes) -> bytes:
    """The body without what an upstream makes anew for each answer, the answer's id and its time."""
    return FRESH.sub(b"", body)


def exact(expected: bytes, *, fresh_ids: bool = False) -> Check:
    """Replies with status 200 and these very bytes, ids and times aside.

    All ids in one reply must be the same, and with `fresh_ids` no two replies may share one: this shows
    streams that were mixed up and answers that were delivered twice.
    """
    wanted = masked(expected)
    seen: set[bytes] = set()

    def check(reply: Reply) -> str | None:
        if reply.status != 200:
            return f"status {reply.status}: {reply.body[:200]!r}"
        if masked(reply.body) != wanted:
            return f"another body than the upstream's: {reply.body[:200]!r}"
        ids = set(ID.findall(reply.body))
        if len(ids) != 1:
            return f"{len(ids)} answer ids in one reply"
        if fresh_ids and ids <= seen:
            return f"answer {ids} was delivered before"
        seen.update(ids)
        return None

    return check


def spoken(body: bytes) -> Dialect:
    """The dialect that a chat answer is in."""
    return Dialect.OPENAI if b'"choices"' in body else Dialect.ANTHROPIC


def same_content(expected: bytes, client: Dialect = Dialect.OPENAI) -> Check:
    """Replies with status 200 and the same text, however it is written in the client's dialect."""
    text = content(expected)

    def check(reply: Reply) -> str | None:
        if reply.status != 200:
            return f"status {reply.status}: {reply.body[:200]!r}"
        if spoken(reply.body) is not client:
            return f"not in the client's dialect: {reply.body[:200]!r}"
        if content(reply.body) != text:
            return f"another text than the upstream's: {reply.body[:200]!r}"
        return None

    return check


def ask(port: int, request: Request) -> Reply:
    """One request on a connection of its own; raises unless the answer is 200."""
    with Connection(port) as connection:
        reply = connection.exchange(request.encode(port))
    if reply.status != 200:
        raise BenchError(f"status {reply.status}: {reply.body[:300]!r}")
    return reply


@dataclass(frozen=True)
class Expected:
    """What the upstream answers to one kind of request."""

    body: bytes
    fresh_ids: bool


def expected(port: int, request: Request, kind: Kind) -> Expected:
    """Ask the upstream itself, twice; raises when its answers differ in more than id and time."""
    first, second = ask(port, request).body, ask(port, request).body
    if masked(first) != masked(second):
        raise BenchError(
            f"the {kind} upstream answers differently each time: {first[:120]!r}, {second[:120]!r}"
        )
    return Expected(first, not set(ID.findall(first)) & set(ID.findall(second)))
