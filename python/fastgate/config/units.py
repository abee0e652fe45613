"""Values with a unit or a secret: durations, sizes, shares, hours, prices, moments, credentials.

Each type reads the text a user writes (`parse`, raising ValueError with what is expected) and describes
itself to the JSON Schema. A `Secret` never shows itself: only `reveal` gives the text.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Self

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(B|KB|MB|GB|KiB|MiB|GiB)")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_AMOUNT = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,18})?")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)(%?)")
_HOURS = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")
_HOURS_PER_DAY = 24
_MAX_RATE_USD = 1_000_000
_MAX_DURATION_MS = 366 * 86_400_000
_MAX_SIZE_BYTES = 2**40


class Duration(int):
    """A length of time in milliseconds, written `"500ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`."""

    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": f"^{_DURATION.pattern}$"}
    shown: ClassVar[str] = "duration"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is a positive number with a unit, of whole milliseconds, up to 366 days."""
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('must be a duration with its unit, as "500ms", "30s", "5m", "1h" or "7d"')
        amount = Decimal(match[1]) * _MILLISECONDS[match[2]]
        if amount != int(amount) or not 0 < amount <= _MAX_DURATION_MS:
            raise ValueError("must be between 1ms and 366d, in whole milliseconds")
        return cls(int(amount))

    def __str__(self) -> str:
        for unit in ("d", "h", "m", "s"):
            if self % _MILLISECONDS[unit] == 0:
                return f"{self // _MILLISECONDS[unit]}{unit}"
        return f"{int(self)}ms"


class Size(int):
    """An amount of bytes, written as a whole number or as `"10MB"`, `"64KiB"`."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_SIZE.pattern}$"}]
    }
    shown: ClassVar[str] = "size"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is a positive amount of whole bytes, up to 1 TiB."""
        amount: Decimal | int
        if isinstance(value, int) and not isinstance(value, bool):
            amount = value
        elif isinstance(value, str) and (match := _SIZE.fullmatch(value)):
            amount = Decimal(match[1]) * _BYTES[match[2]]
        elif isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            amount = int(value)
        else:
            raise ValueError('must be a number of bytes or a size as "64KB", "10MB" or "1GiB"')
        if amount != int(amount) or not 0 < amount <= _MAX_SIZE_BYTES:
            raise ValueError("must be between 1 byte and 1 TiB, in whole bytes")
        return cls(int(amount))

    def __str__(self) -> str:
        for unit in ("GB", "MB", "KB"):
            if self % _BYTES[unit] == 0:
                return f"{self // _BYTES[unit]}{unit}"
        return f"{int(self)}"


class Share(int):
    """A part of a whole in thousandths, written `"10%"` or `0.1`."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": f"^{_SHARE.pattern}$"},
        ]
    }
    shown: ClassVar[str] = "share"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is between nothing and all, in whole thousandths."""
        amount = _amount_of(value, percent=100)
        if amount is None or not 0 <= amount <= 1:
            raise ValueError('must be a share from 0 to 1, as "10%" or 0.1')
        rounded = amount.quantize(Decimal("0.001"))
        if rounded != amount:
            raise ValueError("must be in whole thousandths: tenths of a percent")
        return cls(int(rounded * 1000))

    def __str__(self) -> str:
        return f"{Decimal(self).scaleb(-1).normalize():f}%"


class Percent(int):
    """A percentage in millionths of the whole (one percent is 10,000), written `10`, `0.5` or `"10%"`."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
            {"type": "string", "pattern": f"^{_SHARE.pattern}$"},
        ]
    }
    shown: ClassVar[str] = "percent"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is above 0 and at most 100, with four decimals at most."""
        amount = _amount_of(value, percent=1)
        if amount is None or not 0 < amount <= 100:
            raise ValueError("must be a percentage above 0 and at most 100, as 10 or 0.5")
        rounded = amount.quantize(Decimal("0.0001"))
        if rounded != amount:
            raise ValueError("must have at most 4 decimals")
        return cls(int(rounded * 10_000))

    def __str__(self) -> str:
        return f"{Decimal(self).scaleb(-4).normalize():f}"


def _amount_of(value: object, *, percent: int) -> Decimal | None:
    """The exact number that was written, divided by `percent` where a percent sign follows it."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value) if Decimal(value).is_finite() else None
    match = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    return Decimal(match[1]) / (percent if match[2] else 1)


class Hours(int):
    """Hours of the day, one bit each, the lowest for 00:00 to 00:59.

    Written `"9-17"`, from the first hour to the second, which is not included; `"22-6"` is over midnight.
    """

    schema: ClassVar[dict[str, Any]] = {"type": "string", "pattern": f"^{_HOURS.pattern}$"}
    shown: ClassVar[str] = "hours"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is two hours of a day."""
        match = _HOURS.fullmatch(value) if isinstance(value, str) else None
        start, end = (int(match[1]), int(match[2])) if match else (_HOURS_PER_DAY, 0)
        if start >= _HOURS_PER_DAY or end > _HOURS_PER_DAY:
            raise ValueError('must be hours from 0 to 24, as "9-17" or "22-6", the end not included')
        if start == end:
            raise ValueError('begins and ends at the same hour; a whole day is "0-24"')
        length = (end - start) % _HOURS_PER_DAY or _HOURS_PER_DAY
        return cls(sum(1 << (start + passed) % _HOURS_PER_DAY for passed in range(length)))


class Rate(int):
    """A price in picodollars per token, written in USD per million tokens: `2.5`, `"0.075"`."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1_000_000},
            {"type": "string", "pattern": f"^{_AMOUNT.pattern}$"},
        ]
    }
    shown: ClassVar[str] = "USD per million tokens"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is an amount from 0 to a million USD of whole picodollars per token."""
        is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        is_text = isinstance(value, str) and _AMOUNT.fullmatch(value)
        amount = Decimal(str(value)) if is_number or is_text else None
        if amount is None or not amount.is_finite() or not 0 <= amount <= _MAX_RATE_USD:
            raise ValueError("must be USD per million tokens, from 0 to 1000000, as 2.5")
        rounded = amount.quantize(Decimal("0.000001"))
        if rounded != amount:
            raise ValueError("must have at most 6 decimals: whole picodollars per token")
        return cls(int(rounded * 10**6))

    def __str__(self) -> str:
        return f"{Decimal(self).scaleb(-6).normalize():f}"


class Moment(int):
    """A point in time in Unix seconds, written in RFC 3339 or as a date (its first second, UTC)."""

    schema: ClassVar[dict[str, Any]] = {"type": "string", "format": "date-time"}
    shown: ClassVar[str] = "time"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is a date, or a date and time with its offset."""
        expected = 'must be a date or a time with its offset, as "2027-01-31" or "2027-01-31T18:00:00Z"'
        if not isinstance(value, str):
            raise ValueError(expected)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(expected) from None
        if len(value) == len("2027-01-31"):
            moment = moment.replace(tzinfo=UTC)
        if moment.tzinfo is None:
            raise ValueError(expected)
        return cls(int(moment.timestamp()))

    def __str__(self) -> str:
        return datetime.fromtimestamp(self, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Secret:
    """A credential; its text shows only through `reveal`."""

    __slots__ = ("_text",)

    schema: ClassVar[dict[str, Any]] = {"type": "string"}
    shown: ClassVar[str] = "secret text"

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is text that fits a request header."""
        if not isinstance(value, str):
            raise ValueError("must be text")
        if not value:
            raise ValueError("must not be empty")
        if not all("\x20" <= character < "\x7f" for character in value) or value != value.strip():
            raise ValueError("must be printable ASCII without blanks or line breaks at its ends")
        return cls(value)

    def reveal(self) -> str:
        """The text itself, for the engine only."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __reduce__(self) -> str:
        raise TypeError("a secret is never serialised")


# Kinds whose values are shown as they are written.
WITH_UNIT = (Duration, Size, Share, Percent)
