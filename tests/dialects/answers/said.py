"""What a provider's model says, before any dialect writes it; and what all writers share."""

import json
from dataclasses import dataclass
from typing import Any

# Input tokens, of them cached, output tokens.
USAGE = (120, 100, 7)


@dataclass(frozen=True)
class Said:
    """A turn of the model's; what is empty was not said."""

    thought: str = ""
    signature: str = ""
    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()


def pieces(text: str) -> tuple[str, str]:
    """A text as a stream brings it, cut within a word."""
    return text[:5], text[5:]


def as_events(events: list[Any], named: bool = False, end: bytes = b"") -> bytes:
    """Server-sent events, with their names if the dialect has such."""
    names = [f"event: {event['type']}\n" if named else "" for event in events]
    frames = [f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)]
    return "".join(frames).encode() + end
