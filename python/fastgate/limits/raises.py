"""What a raise is: a larger amount of one limit, for one of its counts or all of them, for a while.

Times are Unix milliseconds, amounts units or picodollars.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from fastgate.config.amounts import Dollars, Quantity
from fastgate.config.findings import hinted
from fastgate.config.limit_rules import SCOPES, Rule, in_units
from fastgate.config.units import Duration
from fastgate.errors import FastgateError
from fastgate.moments import moment

LONGEST = Duration.parse("31d")
NAME_LENGTH = 256


class RaiseRefused(FastgateError):
    """A raise that can't be made, or ended."""

    def __init__(self, message: str, *, status: int = 400, code: str = "invalid_raise") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Raise(msgspec.Struct, frozen=True, kw_only=True):
    """One raise, as it was asked for."""

    id: str
    rule: str
    """The limit's name."""
    resource: str
    identity: dict[str, str] | None
    """Whose count, by scope; None: every count of the limit."""
    amount: int
    starts_unix_ms: int
    ends_unix_ms: int
    raised_by: str | None = None

    def for_engine(self) -> dict[str, Any]:
        """The entry of `Engine.set_raises`."""
        return {
            "rule": self.rule,
            "identity": self.identity,
            "amount": self.amount,
            "ends_unix_ms": self.ends_unix_ms,
        }

    def shown(self) -> dict[str, Any]:
        """As the admin API shows it; money as decimal text in USD."""
        return {
            "id": self.id,
            "rule": self.rule,
            "resource": self.resource,
            "identity": self.identity,
            "amount": amount_shown(self.resource, self.amount),
            "starts_unix_ms": self.starts_unix_ms,
            "ends_unix_ms": self.ends_unix_ms,
            "raised_by": self.raised_by,
        }

    def __str__(self) -> str:
        of = f" of {identity_text(self.identity)}" if self.identity else ""
        until = moment(self.ends_unix_ms)
        return f"{self.id}: {self.rule}{of} to {amount_shown(self.resource, self.amount)} until {until}"


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A raise as the admin API takes it."""

    rule: str
    to: int | float | str
    length: str = msgspec.field(name="for")
    identity: dict[str, str] | None = None


def read_raise(
    asked: Mapping[str, Any], rules: Sequence[Rule], raise_id: str, now_unix_ms: int, *, by: str | None
) -> Raise:
    """A raise that begins now, from what the admin API was sent.

    Raises:
        RaiseRefused: Something is missing, unknown, out of range, or no raise.
    """
    try:
        found = msgspec.convert(asked, _Asked)
        length_ms = _named("for", Duration.parse, found.length)
        if length_ms > LONGEST:
            raise ValueError(f"for: must be at most {LONGEST}")
    except (msgspec.ValidationError, ValueError) as error:
        raise RaiseRefused(str(error)) from None
    rule = next((rule for rule in rules if rule.name == found.rule), None)
    if rule is None:
        names = [rule.name for rule in rules]
        message = hinted(f"there is no limit {found.rule}", found.rule, names)
        raise RaiseRefused(message, status=404, code="unknown_limit")
    identity = None if found.identity is None else _identity(rule, found.identity)
    # The number that was written, not the nearest that a float can hold.
    number = Decimal(repr(found.to)) if isinstance(found.to, float) else found.to
    try:
        amount = _named("to", lambda value: in_units(rule.resource, Quantity.parse(value)), number)
    except ValueError as error:
        raise RaiseRefused(str(error)) from None
    present = _present(rule, identity)
    if amount <= present:
        shown = amount_shown(rule.resource, present)
        raise RaiseRefused(f"to: must be above the amount of the limit, {shown}")
    return Raise(
        id=raise_id,
        rule=rule.name,
        resource=rule.resource,
        identity=identity,
        amount=amount,
        starts_unix_ms=now_unix_ms,
        ends_unix_ms=now_unix_ms + length_ms,
        raised_by=by,
    )


def amount_shown(resource: str, amount: int) -> int | str:
    """An amount for people and programs: a number, or decimal text in USD."""
    return str(Dollars(amount)) if resource == "usd" else amount


def identity_text(identity: Mapping[str, str]) -> str:
    """An identity in a line of text; names come from clients, so no line break of theirs gets in."""
    names = [f"{scope} {identity[scope]}" for scope in SCOPES if scope in identity]
    return "".join(character if character.isprintable() else "?" for character in ", ".join(names))


def _identity(rule: Rule, stated: Mapping[str, str]) -> dict[str, str]:
    """Whose count it is, with what the limit itself says about it."""
    for scope, name in stated.items():
        if scope not in rule.per:
            counted = " and ".join(rule.per) or "nothing: all share one count"
            raise RaiseRefused(f"identity: {rule.name} is not counted per {scope}, but per {counted}")
        if not 1 <= len(name) <= NAME_LENGTH:
            raise RaiseRefused(f"identity: the {scope} must have 1 to {NAME_LENGTH} characters")
    identity: dict[str, str] = {}
    for scope in rule.per:
        about = rule.when.get(scope)
        if scope in stated:
            if about is not None and stated[scope] not in about:
                names = ", ".join(about)
                raise RaiseRefused(f"identity: {rule.name} is never about this {scope}, only about {names}")
            identity[scope] = stated[scope]
        elif about is not None and len(about) == 1:
            identity[scope] = about[0]
        else:
            raise RaiseRefused(f"identity: say which {scope} as well, or nothing of whose it is")
    return identity


def _present(rule: Rule, identity: Mapping[str, str] | None) -> int:
    own = rule.key_amounts.get(identity["key"]) if identity and "key" in identity else None
    return rule.amount if own is None else own


def _named(field: str, parse: Any, value: Any) -> int:
    try:
        return int(parse(value))
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None
