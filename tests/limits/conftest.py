"""Limits over a fake engine and a fake clock."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastgate.config import load_text
from fastgate.config.limit_rules import Rule, rules
from fastgate.config.settings import Settings
from fastgate.limits.raises import Raise
from fastgate.limits.raising import Raises
from fastgate.limits.watching import Limits
from fastgate.limits.webhook import Target, Webhook

START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000

DIGEST = "ab" * 32
TEXT = f"""
[providers.p]
base_url = "http://127.0.0.1:9"
[tenants.acme]
limits = [
  {{ per = "user", tokens = 1_000, window = "1h" }},
  {{ name = "budget", usd = 5, window = "month" }},
  {{ per = "user", concurrent = 4 }},
]
[[limits]]
name = "features"
per = "feature"
when = {{ feature = ["a", "b"] }}
requests = 60
window = "1m"
[[limits]]
name = "keys"
per = "key"
requests = 10
window = "day"
[[keys]]
digest = "sha256:{DIGEST}"
tenant = "acme"
limit_amounts = {{ keys = 50 }}
"""


def settings_of(text: str = TEXT) -> Settings:
    return load_text(text, {}).settings


def rules_of(text: str = TEXT) -> tuple[Rule, ...]:
    return rules(settings_of(text))


class FakeEngine:
    """Knows the raises it is told of, and says what it is told to have seen."""

    def __init__(self) -> None:
        self.raises: list[dict[str, Any]] = []
        self.told = 0
        self.refuse: str | None = None
        self.events: list[dict[str, Any]] = []
        self.standings: list[dict[str, Any]] = []
        self.queries: list[dict[str, Any]] = []

    def set_raises(self, raises: bytes) -> None:
        if self.refuse is not None:
            raise ValueError(self.refuse)
        self.raises = json.loads(raises)
        self.told += 1

    def take_limit_events(self) -> bytes:
        events, self.events = self.events, []
        return json.dumps(events).encode()

    def limit_standings(self, query: bytes) -> bytes:
        self.queries.append(json.loads(query))
        if self.refuse is not None:
            raise ValueError(self.refuse)
        return json.dumps(self.standings).encode()


class Bench:
    """Raises that can be restarted, with everything around them in hand."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.file = state_dir / "limits" / "raises.json"
        self.now_ms = START_MS
        self.engine = FakeEngine()
        self.rules = rules_of()
        self.raises = self.open()

    def open(self) -> Raises:
        return Raises(self.engine, self.state_dir, self.rules, lambda: self.now_ms)

    def restart(self) -> None:
        """The process dies, and another one starts, whose engine knows nothing."""
        self.engine = FakeEngine()
        self.raises = self.open()

    def pass_ms(self, ms: int) -> None:
        self.now_ms += ms
        self.raises.poll()

    def start(self, rule: str = "budget", to: object = 8, **more: Any) -> Raise:
        return self.raises.start({"rule": rule, "to": to, "for": "2h", **more}, by="ops")

    def states(self) -> list[tuple[str, str]]:
        return [(one["rule"], one["state"]) for one in self.raises.all()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Receiver:
    """A webhook's other side: says what it is told to say, and keeps what it got."""

    def __init__(self) -> None:
        self.answers: list[int | OSError] = []
        self.got: list[tuple[str, dict[str, str], Any]] = []

    def send(self, url: str, headers: dict[str, str], body: bytes) -> int:
        self.got.append((url, headers, json.loads(body)))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, OSError):
            raise answer
        return answer

    def events(self) -> list[dict[str, Any]]:
        return [event for _, _, body in self.got for event in body["data"]["events"]]


class StillWebhook(Webhook):
    """One without a thread: a test calls `step`."""

    def start(self) -> None:
        pass


MakeLimits = Callable[..., Limits]


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def make_webhook(receiver: Receiver) -> Callable[[Target], StillWebhook]:
    return lambda target: StillWebhook(target, send=receiver.send, jitter=lambda: 1.0)
