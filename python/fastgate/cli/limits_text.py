"""How limits and raises are told in a terminal, to which nothing unprintable of a name gets."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fastgate.cli.columns import table
from fastgate.limits.raises import identity_text
from fastgate.moments import moment

_BAR_WIDTH = 10
_UNITS_S = ((86_400, "d"), (3_600, "h"), (60, "min"))


def standings(limits: Sequence[dict[str, Any]]) -> str:
    """Counts in columns, with a bar of what is used."""
    if not limits:
        return "nothing is used of any limit"
    rows = [("limit", "of", "used", "reserved", "of", "", "resets in")]
    for standing in limits:
        amount, used = Decimal(str(standing["amount"])), Decimal(str(standing["used"]))
        reserved, resource = standing["reserved"], standing["resource"]
        rows.append(
            (
                printable(standing["limit"]),
                whose(standing["identity"]),
                shown(resource, standing["used"]),
                shown(resource, reserved) if Decimal(str(reserved)) else "-",
                shown(resource, standing["amount"]),
                bar(used, amount),
                length(standing["reset_after_s"]),
            )
        )
    return table(rows, right=(2, 3, 4, 6))


def raises(raised: Sequence[dict[str, Any]]) -> str:
    """Raises in columns."""
    if not raised:
        return "no raises"
    rows = [("id", "limit", "of", "to", "until", "by", "state")]
    for one in raised:
        until_ms = one.get("ended_unix_ms") or one["ends_unix_ms"]
        state = one["state"] if one["state"] == "in force" else f"{one['state']}: {printable(one['why'])}"
        rows.append(
            (
                printable(one["id"]),
                printable(one["rule"]),
                whose(one["identity"]),
                shown(one["resource"], one["amount"]),
                moment(until_ms),
                printable(one["raised_by"] or "-"),
                state,
            )
        )
    return table(rows, right=(3,))


def raise_line(raised: dict[str, Any]) -> str:
    """A raise in a line."""
    until = moment(raised["ends_unix_ms"])
    of = f" of {whose(raised['identity'])}" if raised["identity"] else ""
    amount = shown(raised["resource"], raised["amount"])
    return f"{raised['id']}: {printable(raised['rule'])}{of} to {amount} until {until}"


def shown(resource: str, amount: int | str) -> str:
    """An amount with its thousands apart; money with two decimals at least, and as many as it has."""
    if resource != "usd":
        return f"{int(amount):,}"
    money = Decimal(str(amount))
    exponent = money.normalize().as_tuple().exponent
    decimals = max(2, -exponent if isinstance(exponent, int) else 2)
    return f"${money:,.{decimals}f}"


def whose(identity: dict[str, str] | None) -> str:
    """An identity in words; `all` where there is none."""
    return identity_text(identity) if identity else "all"


def bar(used: Decimal, amount: Decimal) -> str:
    """How much of an amount is used: full only if it is, and more than full in debt."""
    share = used / amount if amount else Decimal(1)
    filled = min(int(share * _BAR_WIDTH), _BAR_WIDTH)
    return f"{'█' * filled}{'░' * (_BAR_WIDTH - filled)} {int(share * 100):>3} %"


def length(seconds: int) -> str:
    """A length of time in its largest unit, rounded up."""
    if seconds == 0:
        return "-"
    for unit_s, name in _UNITS_S:
        if seconds >= unit_s:
            return f"{-(-seconds // unit_s)} {name}"
    return f"{seconds} s"


def printable(text: str) -> str:
    """A text without what could end a line or steer a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
