"""Plain values to settings structs, reporting everything that does not fit.

msgspec stops at the first error; here every table is walked field by field, so that unknown names, missing
fields and wrong values of the whole file are found in one go. Values are never quoted: any of them may be a
secret.
"""

import typing
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from fastgate.config.amounts import Discount, Dollars, Multiple, Quantity
from fastgate.config.findings import Findings, Path, did_you_mean
from fastgate.config.later import later_setting, later_value
from fastgate.config.table import may_stand_alone, unwrapped
from fastgate.config.units import Duration, Hours, Moment, Percent, Rate, Secret, Share, Size
from fastgate.config.windows import TimeZone, Window

_PARSED = (
    *(Duration, Size, Share, Percent, Hours, Moment, Rate, Secret),
    *(Dollars, Quantity, Discount, Multiple, Window, TimeZone),
)
_FAILED = object()

Table = TypeVar("Table", bound=msgspec.Struct)


def build(table: type[Table], values: dict[str, Any], findings: Findings) -> Table:
    """The struct that `values` describe.

    Raises:
        ConfigErrors: Everything that does not fit.
    """
    built = _struct(table, values, (), findings)
    findings.raise_any()
    assert isinstance(built, table)  # nothing was found, so nothing failed
    return built


def _struct(table: type[msgspec.Struct], value: Any, path: Path, findings: Findings) -> Any:
    shorthand = getattr(table, "shorthand", None)
    if shorthand is not None and not isinstance(value, dict | list):
        value = {shorthand: value}
        at = {shorthand: path}
    elif not isinstance(value, dict):
        findings.add(path, "must be a table")
        return _FAILED
    else:
        at = {name: (*path, name) for name in value}
    fields = _fields(table)
    for name in value.keys() - fields.keys():
        later = later_setting(at[name])
        findings.add(at[name], later or "unknown setting", None if later else did_you_mean(name, fields))
    missing = [name for name, field in fields.items() if field.required and name not in value]
    for name in missing:
        findings.add((*path, name), "is required")
    built = {
        field.name: _value(field.type, value[name], at[name], findings)
        for name, field in fields.items()
        if name in value
    }
    if missing or _FAILED in built.values() or value.keys() - fields.keys():
        return _FAILED
    return table(**built)


@cache
def _fields(table: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The fields of a struct by the names they are written with; msgspec works them out at each call."""
    return {field.encode_name: field for field in msgspec.structs.fields(table)}


def _value(kind: Any, value: Any, path: Path, findings: Findings) -> Any:
    """One value of any annotated type; `_FAILED` if it was noted as wrong."""
    bare, notes = unwrapped(kind)
    metas = [note for note in notes if isinstance(note, msgspec.Meta) and _constrains(note)]
    origin = typing.get_origin(bare)
    if origin is list:
        built = _list(kind, value, path, findings)
    elif origin is dict:
        built = _dict(typing.get_args(bare)[1], value, path, findings)
    elif isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        return _struct(bare, value, path, findings)
    else:
        return _scalar(bare, metas, value, path, findings)
    if built is not _FAILED and not built and any(meta.min_length for meta in metas):
        findings.add(path, "must not be empty")
        return _FAILED
    return built


def _list(kind: Any, value: Any, path: Path, findings: Findings) -> Any:
    bare, _ = unwrapped(kind)
    (element,) = typing.get_args(bare)
    if not isinstance(value, list):
        if not may_stand_alone(kind):
            findings.add(path, "must be a list")
            return _FAILED
        built = _value(element, value, path, findings)
        return built if built is _FAILED else [built]
    several = [_value(element, entry, (*path, index), findings) for index, entry in enumerate(value)]
    return _FAILED if _FAILED in several else several


def _dict(kind: Any, value: Any, path: Path, findings: Findings) -> Any:
    if not isinstance(value, dict):
        findings.add(path, "must be a table")
        return _FAILED
    built = {name: _value(kind, entry, (*path, name), findings) for name, entry in value.items()}
    return _FAILED if _FAILED in built.values() else built


def _scalar(kind: Any, metas: list[msgspec.Meta], value: Any, path: Path, findings: Findings) -> Any:
    if kind in _PARSED:
        try:
            return kind.parse(value)
        except ValueError as error:
            findings.add(path, str(error))
            return _FAILED
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
        if value in choices:
            return value
        expected = "must be " + " or ".join(f'"{choice}"' for choice in choices)
        findings.add(path, later_value(path, value) or expected)
        return _FAILED
    try:
        # Not strict: a number that came from ${ENV} is text.
        constrained = Annotated[kind, metas[-1]] if metas else kind
        return msgspec.convert(value, constrained, strict=False)
    except msgspec.ValidationError as error:
        findings.add(path, _reworded(error, metas))
        return _FAILED


_EXPECTED = {"str": "text", "int": "a whole number", "bool": "true or false"}


def _reworded(error: msgspec.ValidationError, metas: list[msgspec.Meta]) -> str:
    said = str(error).split(" - at ", maxsplit=1)[0]
    for meta in metas:
        if meta.ge is not None and meta.le is not None and "int" in said:
            return f"must be a whole number from {meta.ge} to {meta.le}"
        if meta.pattern and "sha256" in meta.pattern:
            return 'must be "sha256:" and 64 hex digits'
        if meta.pattern:
            return "must be 1 to 128 visible ASCII characters without blanks and quotes"
        if meta.max_length:
            return f"must be text of {meta.min_length or 0} to {meta.max_length} characters"
    for name, words in _EXPECTED.items():
        if said.startswith(f"Expected `{name}"):
            return f"must be {words}"
    return "has the wrong type"


def _constrains(meta: msgspec.Meta) -> bool:
    return any((meta.ge is not None, meta.le is not None, meta.pattern, meta.min_length, meta.max_length))
