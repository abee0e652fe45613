"""Limits as operators see them: events told, standings put in words, a webhook that is changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.limits.conftest import START_MS, TEXT, FakeEngine, Receiver, StillWebhook, settings_of

from fastgate.limits.events import LINES_AT_ONCE
from fastgate.limits.watching import Limits, read_query
from fastgate.limits.webhook import Target

HOOK = '[limiting]\nwebhook = "https://hooks.example.com/x"\nwebhook_secret = "s3cret"\n'


def event(kind: str = "warned", rule: str = "budget", **more: Any) -> dict[str, Any]:
    return {
        "rule": rule,
        "identity": {"tenant": "acme"},
        "kind": kind,
        "share_permille": 805,
        "unix_ms": START_MS + 7,
        **more,
    }


class Watched:
    """Limits of one gateway, their webhooks in hand."""

    def __init__(self, folder: Path, make_webhook: Callable[[Target], StillWebhook], text: str) -> None:
        self.engine = FakeEngine()
        self.webhooks: list[StillWebhook] = []
        self.stopped: list[StillWebhook] = []

        def make(target: Target) -> StillWebhook:
            self.webhooks.append(make_webhook(target))
            return self.webhooks[-1]

        self.limits = Limits(
            self.engine, folder, settings_of(text), now_ms=lambda: START_MS, make_webhook=make
        )


@pytest.fixture
def make(tmp_path: Path, make_webhook: Callable[[Target], StillWebhook]) -> Callable[[str], Watched]:
    return lambda text: Watched(tmp_path, make_webhook, text)


def test_events_are_logged_and_told(
    make: Callable[[str], Watched], receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    watched = make(TEXT + HOOK)
    watched.engine.events = [
        event(),
        event("downgraded", share_permille=900),
        event("denied", "features", identity={"tenant": "t", "feature": "a\nb"}, share_permille=1000),
        event("denied", "gone", identity={}),
    ]
    watched.limits.poll()
    assert [record.message for record in caplog.records] == [
        "limit budget of tenant acme warns at 80.5 %",
        "limit budget of tenant acme leads to its cheaper model at 90.0 %",
        "limit features of tenant t, feature a?b refuses requests at 100.0 %",
        "limit gone refuses requests at 80.5 %",
    ]
    (webhook,) = watched.webhooks
    assert webhook.target == Target("https://hooks.example.com/x", "s3cret")
    assert webhook.step() is None
    budget, _, features, gone = receiver.events()
    assert budget == {
        "kind": "warned",
        "limit": "budget",
        "identity": {"tenant": "acme"},
        "share_permille": 805,
        "happened_at": "2027-01-15T08:00:00.007Z",
        "resource": "usd",
        "amount": "5",
        "window": "month",
    }
    assert (features["amount"], features["window"], features["identity"]["feature"]) == (60, "1m", "a\nb")
    assert "resource" not in gone
    watched.limits.poll()
    assert len(caplog.records) == 4


def test_a_flood_is_told_in_a_few_lines(
    make: Callable[[str], Watched], receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    watched = make(TEXT + HOOK)
    watched.engine.events = [event("denied") for _ in range(150)]
    watched.limits.poll()
    assert len(caplog.records) == LINES_AT_ONCE + 1
    assert caplog.records[-1].message == "and 130 more events of limits"
    while watched.webhooks[0].step() is not None:
        pass
    assert len(receiver.events()) == 150


@pytest.mark.parametrize("wrong", [[{"rule": 5}], [event("exploded")], {"a": 1}])
def test_events_that_nobody_understands(make: Callable[[str], Watched], wrong: Any) -> None:
    watched = make(TEXT)
    watched.engine.events = wrong
    with pytest.raises(ValueError, match="events of limits can't be understood"):
        watched.limits.poll()
    watched.limits.poll()


def test_the_webhook_follows_the_configuration(
    make: Callable[[str], Watched], receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    watched = make(TEXT)
    watched.engine.events = [event()]
    watched.limits.poll()
    assert watched.webhooks == []
    watched.limits.configure(settings_of(TEXT + HOOK))
    watched.limits.configure(settings_of(TEXT + HOOK))
    assert len(watched.webhooks) == 1
    watched.limits.configure(settings_of(TEXT + HOOK.replace("/x", "/y")))
    assert [webhook.target.url[-1] for webhook in watched.webhooks] == ["x", "y"]
    watched.engine.events = [event()]
    watched.limits.poll()
    first, second = watched.webhooks
    assert first.step() is None
    second.step()
    assert [url for url, _, _ in receiver.got] == ["https://hooks.example.com/y"]
    watched.limits.configure(settings_of(TEXT))
    watched.engine.events = [event()]
    watched.limits.poll()
    watched.limits.close()
    assert second.step() is None


def test_standings_are_put_in_words(make: Callable[[str], Watched]) -> None:
    watched = make(TEXT)
    common = {"reserved": 0, "reset_after_s": 60}
    watched.engine.standings = [
        {
            "rule": "budget",
            "identity": {"tenant": "acme"},
            "amount": 5 * 10**12,
            "used": 45 * 10**11,
            "remaining": 25 * 10**10,
            "reserved": 25 * 10**10,
            "reset_after_s": 86_400,
        },
        {"rule": "gone", "identity": {}, "amount": 1, "used": 1, "remaining": 0, **common},
        {"rule": "keys", "identity": {"key": "k"}, "amount": 10, "used": 2, "remaining": 8, **common},
    ]
    budget, keys = watched.limits.standings({"tenant": "acme", "limit": 5})
    assert watched.engine.queries == [{"tenant": "acme", "limit": 5}]
    assert budget == {
        "limit": "budget",
        "identity": {"tenant": "acme"},
        "resource": "usd",
        "window": "month",
        "hard": True,
        "amount": "5",
        "used": "4.5",
        "reserved": "0.25",
        "remaining": "0.25",
        "reset_after_s": 86_400,
    }
    assert (keys["amount"], keys["used"], keys["window"], keys["hard"]) == (10, 2, "day", False)
    watched.engine.refuse = "no such tenant"
    with pytest.raises(ValueError, match="no such tenant"):
        watched.limits.standings({})


def test_queries() -> None:
    assert read_query({}) == {"limit": 100}
    assert read_query({"tenant": ["a"], "rule": ["x y"], "limit": ["7"]}) == {
        "limit": 7,
        "tenant": "a",
        "rule": "x y",
    }
    for wrong, said in (
        ({"tenat": ["a"]}, "tenat: is not known; rule, limit, tenant"),
        ({"user": ["a", "b"]}, "user: stands more than once"),
        ({"limit": ["0"]}, "limit: must be a whole number from 1 to 1000"),
        ({"limit": ["1001"]}, "limit: must be"),
        ({"limit": ["9" * 5000]}, "limit: must be"),
        ({"limit": ["-1"]}, "limit: must be"),
        ({"limit": ["\u0661"]}, "limit: must be"),
    ):
        with pytest.raises(ValueError, match=said):
            read_query(wrong)
