"""What settings structs are made of: their base class, kinds of values they share, defaults with a unit.

A struct with `shorthand` may be written as a plain value, which is then that field's. Where a list is asked
for, a single element will do if it has a shorthand, `stands_alone`, or the list's type carries `ALONE`.
"""

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, Union

import msgspec
from msgspec import Meta, field

from fastgate.config.units import Duration, Share, Size

ALONE = object()

# Ids travel in headers and URLs: visible ASCII without quotes.
Id = Annotated[str, Meta(pattern=r"^[!#-&(-~]{1,128}$")]
# Users and features as requests name them.
Identity = Annotated[str, Meta(min_length=1, max_length=256)]
Label = Annotated[str, Meta(max_length=128)]
Names = Annotated[list[str], Meta(min_length=1)]
Weight = Annotated[int, Meta(ge=1, le=1_000_000)]
Retries = Annotated[int, Meta(ge=0, le=5)]
TokenCount = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Digest = Annotated[str, Meta(pattern="^sha256:[0-9a-fA-F]{64}$")]


Latency: TypeAlias = Literal["interactive", "background", "batch"]
# What a request may need beside text in and text out: `CAPABILITIES` of rust/core/src/tables/deployments.rs.
Capability: TypeAlias = Literal[
    "tools", "json_schema", "reasoning", "image_input", "audio_input", "file_input", "audio_output"
]

# Conditions hold by any of their values.
AnyText = Annotated[list[str], Meta(min_length=1), ALONE]
AnyId = Annotated[list[Id], Meta(min_length=1), ALONE]
AnyIdentity = Annotated[list[Identity], Meta(min_length=1), ALONE]
AnyLatency = Annotated[list[Latency], Meta(min_length=1), ALONE]
AnyCapability = Annotated[list[Capability], Meta(min_length=1), ALONE]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every settings struct."""

    shorthand: ClassVar[str | None] = None
    stands_alone: ClassVar[bool] = False


# Factories, because msgspec can't write a default of these types into the JSON Schema.
def duration(text: str) -> Any:
    """A field that is so long when left out."""
    return field(default_factory=lambda: Duration.parse(text))


def size(text: str) -> Any:
    """A field that is so large when left out."""
    return field(default_factory=lambda: Size.parse(text))


def share(text: str) -> Any:
    """A field that is this share when left out."""
    return field(default_factory=lambda: Share.parse(text))


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    """What a setting is when left out; `msgspec.NODEFAULT` where it is required."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def unwrapped(kind: Any) -> tuple[Any, list[Any]]:
    """A field's type without annotations and `| None`, and the annotations it had, the innermost last."""
    notes: list[Any] = []
    while True:
        if typing.get_origin(kind) is Annotated:
            kind, *found = typing.get_args(kind)
            notes += found
        elif typing.get_origin(kind) in (Union, types.UnionType):
            (kind,) = (member for member in typing.get_args(kind) if member is not types.NoneType)
        else:
            return kind, notes


def may_stand_alone(kind: Any) -> bool:
    """Whether one element may be written in place of a list of this type."""
    bare, notes = unwrapped(kind)
    if typing.get_origin(bare) is not list:
        return False
    element, _ = unwrapped(typing.get_args(bare)[0])
    has_short_form = getattr(element, "shorthand", None) is not None
    return ALONE in notes or has_short_form or getattr(element, "stands_alone", False)


def structs_in(table: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """A settings struct and all within it, by name."""

    def within(kind: Any) -> Iterator[type[msgspec.Struct]]:
        bare, _ = unwrapped(kind)
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            yield bare
            for entry in msgspec.structs.fields(bare):
                yield from within(entry.type)
        else:
            for argument in typing.get_args(bare):
                yield from within(argument)

    return {struct.__name__: struct for struct in within(table)}
