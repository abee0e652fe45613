"""What a right reply is: the bytes the upstream gives when asked directly, or at least their content."""

import json

from bench.http1 import Connection, Reply
from bench.loop import Check
from bench.payload import Kind, Request
from bench.processes import BenchError


def events(body: bytes) -> list[bytes]:
    """The server-sent events of a body, without their blank lines."""
    return [event for event in body.replace(b"\r\n", b"\n").split(b"\n\n") if event]


def content(body: bytes) -> str:
    """The text of a chat answer, JSON or stream.

    Raises:
        BenchError: when the answer is an error, or a stream without an end.
    """
    try:
        if not body.lstrip().startswith((b"data:", b":", b"event:")):
            return str(json.loads(body)["choices"][0]["message"]["content"])
        text, ended = "", False
        for event in events(body):
            data = b"".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
            if data == b"[DONE]":
                ended = True
            elif data:
                for choice in json.loads(data).get("choices", ()):
                    text += choice["delta"].get("content") or ""
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise BenchError(f"not a chat answer: {body[:200]!r}") from error
    if not ended:
        raise BenchError("stream without [DONE]")
    return text


def exact(expected: bytes) -> Check:
    """Replies with status 200 and these very bytes."""

    def check(reply: Reply) -> str | None:
        if reply.status != 200:
            return f"status {reply.status}: {reply.body[:200]!r}"
        if reply.body != expected:
            return f"another body than the upstream's: {reply.body[:200]!r}"
        return None

    return check


def same_content(expected: bytes) -> Check:
    """Replies with status 200 and the same text, however it is written."""
    text = content(expected)

    def check(reply: Reply) -> str | None:
        if reply.status != 200:
            return f"status {reply.status}: {reply.body[:200]!r}"
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


def expected_body(port: int, request: Request, kind: Kind) -> bytes:
    """What the upstream answers; raises when two answers differ, since then nothing could be compared."""
    first, second = ask(port, request).body, ask(port, request).body
    if first != second:
        raise BenchError(
            f"the {kind} upstream gives a different body each time: {first[:120]!r}, {second[:120]!r}"
        )
    return first
