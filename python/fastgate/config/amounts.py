"""Numbers of limits and bills, read exactly from their text: money, quantities, discounts, multiples.

As in `units` each type reads what a user writes and describes itself to the JSON Schema. No float comes
between: a file's decimals arrive as `Decimal`.
"""

import re
from decimal import Decimal
from typing import Any, ClassVar, Self

MAX_USD = 9_000_000
MAX_QUANTITY = 10**15
PUSD = 10**12

_NUMBER = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,18})?)")
_PART = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?)(%?)")


class Dollars(int):
    """Money in picodollars, written in USD: `500`, `0.5`, `"0.000001"`."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": MAX_USD},
            {"type": "string", "pattern": f"^{_NUMBER.pattern}$"},
        ]
    }
    shown: ClassVar[str] = "USD"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is an amount from 0 to 9 million USD of whole picodollars."""
        return cls(_exactly(value, MAX_USD, decimals=12, what="USD"))

    def __str__(self) -> str:
        return _written(self, decimals=12)


class Quantity(int):
    """So much of what a limit counts, in 10⁻¹² of its unit: whole units, or money written in USD."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": MAX_QUANTITY},
            {"type": "string", "pattern": f"^{_NUMBER.pattern}$"},
        ]
    }
    shown: ClassVar[str] = "number"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is a number from 0 to 10¹⁵ with at most 12 decimals."""
        return cls(_exactly(value, MAX_QUANTITY, decimals=12, what="a number"))

    def units(self) -> int:
        """As whole units.

        Raises:
            ValueError: It is not whole.
        """
        units, rest = divmod(int(self), PUSD)
        if rest:
            raise ValueError("must be a whole number")
        return units

    def pusd(self) -> int:
        """As picodollars.

        Raises:
            ValueError: It is more than `Dollars` may be.
        """
        if self > MAX_USD * PUSD:
            raise ValueError(f"must be USD from 0 to {MAX_USD}")
        return int(self)

    def __str__(self) -> str:
        return _written(self, decimals=12)


class Discount(int):
    """A part off a price in millionths, written `"10%"` or `0.1`."""

    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": f"^{_PART.pattern}$"},
        ]
    }
    shown: ClassVar[str] = "share"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is between nothing and all, in whole millionths."""
        part = _PART.fullmatch(value) if isinstance(value, str) else None
        number: object = value
        if part is not None:
            number = Decimal(part[1]) / (100 if part[2] else 1)
        try:
            return cls(_exactly(number, 1, decimals=6, what="a share"))
        except ValueError:
            raise ValueError('must be a share from 0 to 1 in whole millionths, as "10%" or 0.1') from None

    def __str__(self) -> str:
        return f"{_written(self, decimals=4)}%"


class Multiple(int):
    """So many times as much, in thousandths, written `5` or `0.1`."""

    schema: ClassVar[dict[str, Any]] = {"type": "number", "minimum": 0, "maximum": 1000}
    shown: ClassVar[str] = "number"

    @classmethod
    def parse(cls, value: object) -> Self:
        """ValueError unless it is a number from 0 to 1000 with at most 3 decimals."""
        return cls(_exactly(value, 1000, decimals=3, what="a number"))

    def __str__(self) -> str:
        return _written(self, decimals=3)


def _written(amount: int, *, decimals: int) -> str:
    return f"{Decimal(int(amount)).scaleb(-decimals).normalize():f}"


def _exactly(value: object, largest: int, *, decimals: int, what: str) -> int:
    """The number that was written, in 10^-decimals.

    Raises:
        ValueError: It is none, out of range, or finer.
    """
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    is_text = isinstance(value, str) and _NUMBER.fullmatch(value) is not None
    amount = Decimal(str(value)) if is_number or is_text else None
    if amount is None or not amount.is_finite() or not 0 <= amount <= largest:
        raise ValueError(f"must be {what} from 0 to {largest}, as 2 or 0.5")
    units = int(amount.scaleb(decimals))
    if Decimal(units).scaleb(-decimals) != amount:
        raise ValueError(f"must have at most {decimals} decimals")
    return units
