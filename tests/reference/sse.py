"""`SseReader`, as the standard tells it line by line: WHATWG HTML, "Interpreting an event stream"."""

import re
from typing import NamedTuple


class Event(NamedTuple):
    """One event that is dispatched."""

    event: str
    data: bytes
    id: str
    retry_ms: int | None


def read(stream: bytes) -> list[Event]:
    """The events of a whole stream."""
    events = []
    kind, data, last_id, retry_ms = b"", list[bytes](), b"", None
    # The last piece has no line end: what is incomplete at the end is dropped.
    for line in re.split(rb"\r\n|\r|\n", stream.removeprefix(b"\xef\xbb\xbf"))[:-1]:
        if not line:
            if data:
                name = kind.decode(errors="replace") or "message"
                events.append(Event(name, b"\n".join(data), last_id.decode(errors="replace"), retry_ms))
            kind, data, retry_ms = b"", [], None
            continue
        name_bytes, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match name_bytes:
            case b"event":
                kind = value
            case b"data":
                data.append(value)
            case b"id" if b"\0" not in value:
                last_id = value
            case b"retry" if re.fullmatch(rb"[0-9]{1,18}", value):
                retry_ms = int(value)
    return events
