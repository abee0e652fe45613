"""What the admin API says: JSON, and errors in one shape."""

from typing import Any

import msgspec

from fastgate.errors import FastgateError

JSON = (b"content-type", b"application/json")
# An answer is of its moment, and never a page or a script, whatever it quotes.
ALWAYS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class Refused(FastgateError):
    """A request that the admin API does not carry out."""

    def __init__(
        self, status: int, code: str, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


class Answer(msgspec.Struct, frozen=True):
    """Status, body and headers."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (JSON,)


def json(value: Any, status: int = 200) -> Answer:
    """A value as JSON."""
    return Answer(status, msgspec.json.encode(value))


def error(status: int, code: str, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Answer:
    """An error as every path tells it."""
    body = msgspec.json.encode({"error": {"message": message, "code": code}})
    return Answer(status, body, (JSON, *headers))
