"""The settings reference: `python -m fastgate.config.reference > docs/settings.md`.

Written from the structs, so that the page can't drift from what is checked; a test compares the two.
"""

import re
import typing
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from fastgate.config.settings import Settings
from fastgate.config.table import ALONE, default_of, unwrapped
from fastgate.config.units import WITH_UNIT

_INTRODUCTION = """\
# Settings

Made by `python -m fastgate.config.reference`; do not edit.

One file, `fastgate.toml` by default, or YAML where its name ends in `.yaml` or `.yml`. In any string
`${NAME}` is an environment variable and `${NAME:-default}` falls back where it is unset or empty; `$${` is
a literal `${`. Durations are written `"500ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`, sizes as bytes or
`"64KB"`, `"10MB"`, `"1GiB"`, shares `"10%"` or `0.1`. Relative paths start at the file's folder. A change
is applied within a second, or rejected whole with the old configuration kept; settings marked *Restart*
need one. `fastgate check` tells all errors with their lines, `fastgate check --schema` prints a JSON Schema
for editors. [Known vendors](vendors.md) need no more than their name. What later versions bring (caching,
redaction, other dialects) is refused rather than ignored.
"""

_NAMES: dict[Any, str] = {str: "text", int: "whole number", bool: "true or false"}


def reference() -> str:
    """The page as Markdown."""
    return _INTRODUCTION + "".join(_sections(Settings, "", {}))


def _sections(
    table: type[msgspec.Struct], prefix: str, written: dict[type[msgspec.Struct], str]
) -> Iterator[str]:
    """The sections of a table and those within it; `written`: where each stands that is on the page."""
    if table in written:
        same = written[table]
        anchor = re.sub(r"[^\w\- ]", "", same.lower())
        yield f"\n## `{prefix.rstrip('.')}`\n\nAs [`{same}`](#{anchor}).\n"
        return
    written[table] = prefix.rstrip(".")
    nested: list[tuple[type[msgspec.Struct], str]] = []
    rows = []
    for field in msgspec.structs.fields(table):
        shown, inner, suffix = _shown(field.type)
        if inner is not None:
            nested.append((inner, f"{prefix}{field.encode_name}{suffix}"))
        rows.append(f"| `{field.encode_name}` | {shown} | {_default(field)} | {_description(field.type)} |\n")
    if prefix:
        yield f"\n## `{prefix.rstrip('.')}`\n\n{' '.join((table.__doc__ or '').split())}\n"
        yield "\n| setting | type | default | meaning |\n|---|---|---|---|\n"
        yield from rows
    else:
        yield "\n| section | meaning |\n|---|---|\n"
        fields = msgspec.structs.fields(table)
        yield from (f"| `{field.name}` | {_description(field.type)} |\n" for field in fields)
    for inner, name in nested:
        yield from _sections(inner, f"{name}.", written)


def _shown(kind: Any) -> tuple[str, type[msgspec.Struct] | None, str]:
    """The words for a type, the struct inside it if there is one, and how its path goes on."""
    kind, notes = unwrapped(kind)
    origin = typing.get_origin(kind)
    if origin is Literal:
        return " or ".join(f'`"{choice}"`' for choice in typing.get_args(kind)), None, ""
    if origin is list:
        shown, inner, _ = _shown(typing.get_args(kind)[0])
        return f"{shown}, or a list of them" if ALONE in notes else f"list of {shown}", inner, "[]"
    if origin is dict:
        shown, inner, _ = _shown(typing.get_args(kind)[1])
        return f"table of {shown}", inner, ".<id>"
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return ("table" if getattr(kind, "shorthand", None) is None else "value or table"), kind, ""
    return _NAMES.get(kind) or kind.shown, None, ""


def _description(kind: Any) -> str:
    metas = [meta for meta in typing.get_args(kind)[1:] if isinstance(meta, msgspec.Meta)]
    (description,) = (meta.description for meta in metas if meta.description)
    return description.replace("|", "\\|")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = default_of(field)
    if value is None or value in ([], {}) or isinstance(value, msgspec.Struct):
        return "none"
    return f'`"{value}"`' if isinstance(value, (str, *WITH_UNIT)) else f"`{value}`"


if __name__ == "__main__":
    print(reference(), end="")
