"""Picodollars as text and back, in integers only.

`exact` is for programs: every digit. `shown` is for people: so many decimals, rounded half to even, and
never a zero for what is more than nothing.
"""

import re

PUSD = 10**12
_EXACT = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,12}))?")
_SHOWN = re.compile(r"(-?)(<?)\$([0-9][0-9,]*)(?:\.([0-9]{1,12}))?")


def exact(pusd: int) -> str:
    """An amount in USD as decimal text without exponent or trailing zeros: `12.5`, `-0.000001`."""
    whole, rest = divmod(abs(pusd), PUSD)
    decimals = f".{rest:012}".rstrip("0") if rest else ""
    return f"{'-' if pusd < 0 else ''}{whole}{decimals}"


def parse(text: str) -> int:
    """The picodollars of an amount in USD, `exact` or typed.

    Raises:
        ValueError: It is no decimal number, or is finer than a picodollar.
    """
    match = _EXACT.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be an amount in USD, as 12.5, with at most 12 decimals")
    return _amount(match[1], match[2], match[3])


def shown(pusd: int, decimals: int = 2) -> str:
    """An amount for people: `$1,234.50`, `-$0.25`; `<$0.01` where rounding would leave nothing."""
    units = divided(abs(pusd), 10 ** (12 - decimals))
    small = "<" if pusd and not units else ""
    whole, rest = divmod(units or (1 if small else 0), 10**decimals)
    fraction = f".{rest:0{decimals}}" if decimals else ""
    return f"{'-' if pusd < 0 else ''}{small}${whole:,}{fraction}"


def parse_shown(text: str) -> int:
    """The picodollars of what `shown` printed; of `<$0.01` nothing, which is nearer than a cent.

    Raises:
        ValueError: It is not of that form.
    """
    match = _SHOWN.fullmatch(text)
    if match is None:
        raise ValueError("must be an amount as $1,234.50")
    return 0 if match[2] else _amount(match[1], match[3].replace(",", ""), match[4])


def decimals_for(amounts: list[int]) -> int:
    """Decimals that suit a column of amounts: cents, none for large sums, more for small ones."""
    largest = max((abs(amount) for amount in amounts), default=0)
    if largest >= 100_000 * PUSD:
        return 0
    if largest >= PUSD or not largest:
        return 2
    return 4 if largest >= PUSD // 100 else 6


def divided(amount: int, by: int) -> int:
    """`amount / by` as a whole number, half to even. `by`: above 0."""
    quotient, rest = divmod(amount, by)
    return quotient + (2 * rest > by or (2 * rest == by and quotient % 2))


def permille(part: int, whole: int) -> int | None:
    """A share in thousandths of the whole's size, half to even; None of nothing."""
    return divided(part * 1000, abs(whole)) if whole else None


def _amount(sign: str, whole: str, decimals: str | None) -> int:
    amount = int(whole) * PUSD + int((decimals or "").ljust(12, "0"))
    return -amount if sign else amount
