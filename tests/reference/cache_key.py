"""What `cache_key` hashes: two bodies have one key exactly if they have one meaning here."""

import json
from collections.abc import Collection
from typing import Any


def meaning(body: bytes, *, model: str | None = None, ignore: Collection[str]) -> Any:
    """A value that is equal for bodies that ask the same question.

    Raises:
        ValueError: As `cache_key`.
    """
    value = json.loads(
        body,
        object_pairs_hook=_members,
        parse_int=lambda text: ("number", text),
        parse_float=lambda text: ("number", text),
        parse_constant=_refuse,
    )
    if not isinstance(value, dict):
        raise ValueError("not an object")
    kept = {name: entry for name, entry in value.items() if name not in ignore}
    if model is not None:
        kept.pop("model", None)
    return model, _tagged(kept)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key twice")
    return members


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _tagged(value: Any) -> Any:
    """Python says `True == 1`, and lists are not to be mistaken for the tuples above."""
    if isinstance(value, dict):
        return "object", {name: _tagged(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return "array", [_tagged(entry) for entry in value]
    return (type(value).__name__, value)
