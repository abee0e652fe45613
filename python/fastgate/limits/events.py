"""What happens to limits, told: to the log, and to the webhook where there is one.

The engine says at most once a minute of a count that it passed its warning or downgrade share or that a
request was refused; here it is put in words and handed on.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import msgspec

from fastgate.config.limit_rules import Rule
from fastgate.limits.raises import amount_shown, identity_text

# A flood of denials must not fill a disk with lines.
LINES_AT_ONCE = 20

logger = logging.getLogger("fastgate.limits")


class Engine(Protocol):
    """What events ask of `_core.Engine`."""

    def take_limit_events(self) -> bytes: ...


class Event(msgspec.Struct, frozen=True):
    """One thing that happened to a count."""

    rule: str
    identity: dict[str, str]
    kind: Literal["warned", "downgraded", "denied"]
    share_permille: int
    """How much of the amount was used or reserved."""
    unix_ms: int

    def __str__(self) -> str:
        of = f" of {identity_text(self.identity)}" if self.identity else ""
        share = f"{self.share_permille // 10}.{self.share_permille % 10} %"
        said = {
            "warned": "warns at",
            "downgraded": "leads to its cheaper model at",
            "denied": "refuses requests at",
        }
        return f"limit {self.rule}{of} {said[self.kind]} {share}"


_decode = msgspec.json.Decoder(list[Event]).decode


class Events:
    """Takes events from one gateway's engine and hands them on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def poll(self, rules: Sequence[Rule], offer: Callable[[dict[str, Any]], None] | None) -> None:
        """Tell what happened since the last call. `offer` takes what the webhook is to be told.

        Raises:
            ValueError: The engine says what nobody understands.
        """
        try:
            events = _decode(self._engine.take_limit_events())
        except msgspec.MsgspecError as error:
            raise ValueError(f"events of limits can't be understood: {error}") from None
        for event in events[:LINES_AT_ONCE]:
            logger.warning("%s", event)
        if len(events) > LINES_AT_ONCE:
            logger.warning("and %s more events of limits", len(events) - LINES_AT_ONCE)
        if offer is not None and events:
            known = {rule.name: rule for rule in rules}
            for event in events:
                offer(told(event, known.get(event.rule)))


def told(event: Event, rule: Rule | None) -> dict[str, Any]:
    """An event as the webhook tells it; `rule` is None if a reload has just taken it away."""
    happened = datetime.fromtimestamp(event.unix_ms / 1000, UTC)
    found: dict[str, Any] = {
        "kind": event.kind,
        "limit": event.rule,
        "identity": event.identity,
        "share_permille": event.share_permille,
        "happened_at": happened.strftime("%Y-%m-%dT%H:%M:%S.") + f"{happened.microsecond // 1000:03}Z",
    }
    if rule is not None:
        found["resource"] = rule.resource
        found["amount"] = amount_shown(rule.resource, rule.amount)
        found["window"] = rule.window and str(rule.window)
    return found
