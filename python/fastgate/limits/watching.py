"""The limits of one gateway, as operators see them: how they stand, raises, and who is told."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from fastgate.config.limit_rules import SCOPES, rules
from fastgate.config.limit_settings import Limiting
from fastgate.config.settings import Settings
from fastgate.limits.events import Events
from fastgate.limits.raises import Raise, amount_shown
from fastgate.limits.raising import Raises
from fastgate.limits.webhook import Target, Webhook

STANDINGS_DEFAULT = 100
STANDINGS_MAX = 1_000


class Engine(Protocol):
    """What limits ask of `_core.Engine`."""

    def limit_standings(self, query: bytes) -> bytes: ...
    def set_raises(self, raises: bytes) -> None: ...
    def take_limit_events(self) -> bytes: ...


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One count, as the engine tells it; amounts in units or picodollars."""

    rule: str
    identity: dict[str, str]
    amount: int
    used: int
    reserved: int
    remaining: int
    reset_after_s: int


_decode_standings = msgspec.json.Decoder(list[Standing]).decode


class Limits:
    """Looks after the limits of one gateway. Safe to use from several threads.

    Args:
        engine: Enforces them.
        state_dir: Where raises are kept.
        settings: The configuration in force.
        now_ms: The time of day, Unix milliseconds.
        make_webhook: What delivers to a target; by default a thread.
    """

    def __init__(
        self,
        engine: Engine,
        state_dir: Path,
        settings: Settings,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        make_webhook: Callable[[Target], Webhook] = Webhook,
    ) -> None:
        self._engine = engine
        self._events = Events(engine)
        self._make_webhook = make_webhook
        self._webhook: Webhook | None = None
        self._rules = rules(settings)
        self._raises = Raises(engine, state_dir, self._rules, now_ms)
        self._follow(settings.limiting)

    def configure(self, settings: Settings) -> None:
        """Take over a new configuration."""
        self._rules = rules(settings)
        self._raises.configure(self._rules)
        self._follow(settings.limiting)

    def poll(self) -> None:
        """End raises that are over, and tell what has happened.

        Raises:
            ValueError: The engine says what nobody understands.
        """
        self._raises.poll()
        self._events.poll(self._rules, self._webhook.offer if self._webhook else None)

    def standings(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """How counts stand, those with the largest share used first; money as decimal text in USD.

        Args:
            query: `rule`, names by scope, and `limit`: how many.

        Raises:
            ValueError: What is wrong with the query.
        """
        known = {rule.name: rule for rule in self._rules}
        found = _decode_standings(self._engine.limit_standings(msgspec.json.encode(query)))
        shown = []
        for standing in found:
            rule = known.get(standing.rule)
            if rule is None:
                continue
            amounts = {
                name: amount_shown(rule.resource, getattr(standing, name))
                for name in ("amount", "used", "reserved", "remaining")
            }
            shown.append(
                {
                    "limit": rule.name,
                    "identity": standing.identity,
                    "resource": rule.resource,
                    "window": rule.window and str(rule.window),
                    "hard": rule.is_hard,
                    **amounts,
                    "reset_after_s": standing.reset_after_s,
                }
            )
        return shown

    def start_raise(self, asked: Mapping[str, Any], *, by: str | None) -> Raise:
        """Raise a limit; see `Raises.start`."""
        return self._raises.start(asked, by=by)

    def stop_raise(self, raise_id: str, by: str) -> dict[str, Any]:
        """End a raise; see `Raises.stop`."""
        return self._raises.stop(raise_id, by)

    def raises(self) -> list[dict[str, Any]]:
        """Every raise; see `Raises.all`."""
        return self._raises.all()

    def close(self) -> None:
        """Tell nobody any more. Raises stay kept."""
        if self._webhook is not None:
            self._webhook.stop()
            self._webhook = None

    def _follow(self, limiting: Limiting) -> None:
        secret = limiting.webhook_secret
        target = (
            None
            if limiting.webhook is None
            else Target(limiting.webhook, None if secret is None else secret.reveal())
        )
        if self._webhook is not None:
            if self._webhook.target == target:
                return
            self._webhook.stop()
            self._webhook = None
        if target is not None:
            self._webhook = self._make_webhook(target)
            self._webhook.start()


def read_query(parameters: Mapping[str, list[str]]) -> dict[str, Any]:
    """A query for `standings` from a URL's parameters.

    Raises:
        ValueError: One is unknown, stands twice or is out of range.
    """
    query: dict[str, Any] = {"limit": STANDINGS_DEFAULT}
    for name, values in parameters.items():
        if name not in (*SCOPES, "rule", "limit"):
            raise ValueError(f"{name}: is not known; rule, limit, {', '.join(SCOPES)} are")
        if len(values) != 1:
            raise ValueError(f"{name}: stands more than once")
        (value,) = values
        if name == "limit":
            if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= STANDINGS_MAX):
                raise ValueError(f"limit: must be a whole number from 1 to {STANDINGS_MAX}")
            query["limit"] = int(value)
        else:
            query[name] = value
    return query
