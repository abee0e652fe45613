"""JSON as it is written: which bytes are a member's, which an element's."""

import json

_DECODER = json.JSONDecoder()


def members(text: str) -> dict[str, str]:
    """The values of an object's members, unread. `text`: the object, without white space around it."""
    found: dict[str, str] = {}
    at = _after_space(text, 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)
        _, end = _DECODER.raw_decode(text, at)
        found[name] = text[at:end]
        at = _after_comma(text, end)
    return found


def elements(text: str) -> list[str]:
    """The elements of an array, unread."""
    found: list[str] = []
    at = _after_space(text, 1)
    while text[at] != "]":
        _, end = _DECODER.raw_decode(text, at)
        found.append(text[at:end])
        at = _after_comma(text, end)
    return found


def _after_space(text: str, at: int) -> int:
    while text[at].isspace():
        at += 1
    return at


def _after_comma(text: str, at: int) -> int:
    at = _after_space(text, at)
    return _after_space(text, at + 1) if text[at] == "," else at
