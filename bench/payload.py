"""What is sent and what comes back: a chat request of 1 KB, a JSON reply of 600 B, a stream of events; the
request in either dialect that a client may speak.
"""

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

KEY = "fg_bench_0123456789abcdef"
TENANT = "bench"
ORIGIN = "https://app.example.com"
MODEL = "gpt-4o-mini"
REQUEST_BYTES = 1024
REPLY_BYTES = 600
INPUT_PUSD = 150_000  # a token, by the price that gateways are configured with: 0.15 USD per million
OUTPUT_PUSD = 600_000
# What clients of a gateway send besides; every target gets it, in runs with everything on.
CLIENT_HEADERS = {
    "x-fastgate-user": "user-17",
    "x-fastgate-feature": "search",
    "x-fastgate-session": "session-4711",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "Origin": ORIGIN,
}


class Dialect(enum.StrEnum):
    """What a client or a provider speaks; the mock answers both on one port, by path."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"

    @property
    def path(self) -> str:
        """Where a chat request of this dialect goes."""
        return "/v1/chat/completions" if self is Dialect.OPENAI else "/v1/messages"

    @property
    def base_path(self) -> str:
        """What a provider's base URL has behind its address."""
        return "/v1" if self is Dialect.OPENAI else ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers its SDK sends, with the bench's key."""
        if self is Dialect.OPENAI:
            return {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
        return {"Content-Type": "application/json", "x-api-key": KEY, "anthropic-version": "2023-06-01"}


class Kind(enum.StrEnum):
    """The kinds of answer the upstream gives; each has its own upstream address and model name. `held` is a
    stream that stays open for seconds.
    """

    JSON = "json"
    PACED = "paced"
    UNPACED = "unpaced"
    HELD = "held"

    @property
    def model(self) -> str:
        """The model a client asks for to get this kind of answer."""
        return MODEL if self is Kind.JSON else f"{MODEL}-{self.value}"


@dataclass(frozen=True)
class Request:
    """One HTTP request, without the address it goes to."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, port: int) -> bytes:
        """The request as HTTP/1.1 bytes for a server on loopback."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


def usd_per_million(token_pusd: int) -> str:
    """A price as a gateway's config writes it."""
    return str(Decimal(token_pusd) / 10**6)


def key_digest() -> str:
    """The digest of the bench's key as a gateway's config writes it."""
    return "sha256:" + hashlib.sha256(KEY.encode()).hexdigest()


def request_body(kind: Kind, size: int = REQUEST_BYTES, dialect: Dialect = Dialect.OPENAI) -> bytes:
    """A chat request of exactly `size` bytes."""
    system, is_openai = "You are a helpful assistant. Answer briefly.", dialect is Dialect.OPENAI

    def build(text: str) -> bytes:
        user = {"role": "user", "content": text}
        document: dict[str, object] = {
            "model": kind.model,
            **({} if is_openai else {"system": system}),
            "messages": [{"role": "system", "content": system}, user] if is_openai else [user],
            "temperature": 0.2,
            "max_tokens": 256,
        }
        if kind is not Kind.JSON:
            document["stream"] = True
        return json.dumps(document, separators=(",", ":")).encode()

    words = "Explain how a token bucket admits a burst and then settles to its rate. "
    room = size - len(build(""))
    return build((words * (room // len(words) + 1))[:room])


def request(
    kind: Kind, headers: Mapping[str, str] | None = None, dialect: Dialect = Dialect.OPENAI
) -> Request:
    """The request of one kind, with the bench's key and any headers a target needs besides."""
    body = request_body(kind, dialect=dialect)
    return Request(dialect.path, body, {**dialect.headers, **(headers or {})})


def reply_body(size: int = REPLY_BYTES) -> bytes:
    """A chat completion of exactly `size` bytes, for the built-in upstream."""

    def build(text: str) -> bytes:
        document = {
            "id": "chatcmpl-bench00000000000000000000",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"},
            ],
            "usage": {"prompt_tokens": 212, "completion_tokens": 58, "total_tokens": 270},
        }
        return json.dumps(document, separators=(",", ":")).encode()

    words = "A bucket holds tokens and refills at a steady rate. "
    room = size - len(build(""))
    return build((words * (room // len(words) + 1))[:room])


def stream_events(chunks: int) -> list[bytes]:
    """The events of one streamed answer, `chunks` of them with the end marker."""

    def event(delta: Mapping[str, str], finish: str | None) -> bytes:
        document = {
            "id": "chatcmpl-bench00000000000000000000",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"

    first, last, end = (
        event({"role": "assistant", "content": ""}, None),
        event({}, "stop"),
        b"data: [DONE]\n\n",
    )
    return [first, *(event({"content": f" token{index}"}, None) for index in range(chunks - 3)), last, end]
