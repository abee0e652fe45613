"""What `fastgate costs` prints for a small company in November: the golden texts were read by people.

To write them anew after a change that is meant: `GOLDEN=write pytest tests/billing/reports/test_golden.py`.
"""

import io
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.billing.reports.books import Event, ExactBooks

from fastgate.billing.money import PUSD
from fastgate.billing.reports.asking import Asked, make
from fastgate.billing.reports.budgets import known
from fastgate.billing.reports.imported import Earned
from fastgate.billing.reports.report import Report, Sources
from fastgate.billing.reports.revenue import Prices, Unit
from fastgate.cli.costs_plot import costs_plot
from fastgate.cli.costs_text import costs_text
from fastgate.cli.terminal import Style

NOW = int(datetime(2026, 11, 29, 10, 20, tzinfo=UTC).timestamp())
GOLDEN = Path(__file__).with_name("golden")


class Entry(msgspec.Struct, frozen=True):
    feature: str
    prices: dict[Unit, int]
    tenant: str | None = None
    model: str | None = None


def events() -> list[Event]:
    """Eleven weeks: a chat that loses money, a review that earns it, a playground, something unpriced."""
    found = []
    for n in range(77):
        moment = NOW - n * 86_400
        is_weekend = datetime.fromtimestamp(moment, UTC).weekday() >= 5
        for k in range(2 if is_weekend else 12):
            session = {"session": f"s{n}-{k // 4}"}
            usage = {"input_tokens": 900 + 10 * k, "cache_read_tokens": 400, "output_tokens": 250}
            chat = {"feature": "support-chat", "tenant": "acme" if k % 3 else "globex", "model": "gpt-4o"}
            cost = (9 if n == 5 else 3) * PUSD + (n + k) % 5 * PUSD // 10
            found.append(
                Event(moment - 600 * k, cost, usage, truncated=k == 7, repeated=k == 5, names=chat | session)
            )
            if k == 3:
                found.append(Event(moment - 600 * k, PUSD // 2, usage, failed=True, names=chat | session))
        if n < 20:
            review = {
                "feature": "code-review-of-pull-requests",
                "tenant": "acme",
                "model": "opus",
                "user": f"u{n % 4}",
            }
            usage = {"input_tokens": 40_000, "output_tokens": 2_000, "reasoning_tokens": 6_000}
            found.append(Event(moment - 60, 4 * PUSD + n % 2 * PUSD // 4, usage, names=review))
        if n % 7 == 2:
            play = {"feature": "playground", "tenant": "globex", "model": "opus"}
            found.append(
                Event(moment - 5, 2 * PUSD, {"output_tokens": 900}, outcome="client_gone", names=play)
            )
    new = {"feature": "検索アシスタント", "tenant": "globex", "model": "new-model"}
    found += [
        Event(NOW - 7200, None, {"input_tokens": 10}, names=new),
        Event(NOW - 60, PUSD // 1000, names={}),
    ]
    return found


def report(asked: Asked) -> Report:
    prices = Prices(
        [
            Entry("support-chat", {"request": 3 * PUSD}),
            Entry("code-review-of-pull-requests", {"user_month": 60 * PUSD}),
        ]
    )
    earned = [Earned("2026-11-15", "検索アシスタント", "globex", 25 * PUSD)]
    budget = {
        "name": "acme, a month",
        "per": ["tenant"],
        "when": {"tenant": [1]},
        "resource": "usd",
        "amount": 542 * PUSD,
        "key_amounts": {},
        "warn_permille": 800,
        "is_hard": True,
        "window": {"calendar": {"period": "month", "time_zone": "UTC"}},
    }
    tenants = [{"id": name, "tier": None} for name in ("default", "acme", "globex")]
    limits = [
        budget,
        budget
        | {
            "name": "globex, a day",
            "when": {"tenant": [2]},
            "amount": 5 * PUSD,
            "window": {"calendar": {"period": "day", "time_zone": "Europe/Berlin"}},
        },
        budget | {"name": "everybody", "per": [], "when": {}, "amount": 2000 * PUSD},
    ]
    budgets = known({"tenants": tenants, "tiers": [], "limits": limits})
    return make(asked, ExactBooks(events()), Sources(prices, earned, budgets), NOW)


CASES = {
    "by_feature": Asked(),
    "by_day": Asked(by="day", since="2026-11-23", time_zone="Europe/Berlin"),
    "by_tenant_and_model": Asked(by="tenant,model", top="2", sort="margin"),
    "narrow": Asked(),
    "plot": Asked(parts=62),
}


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_one_that_was_read(name: str) -> None:
    style = Style(io.StringIO(), {})
    found = report(CASES[name])
    width = 72 if name == "narrow" else 100
    text = (costs_plot if name == "plot" else costs_text)(found, style, width) + "\n"
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
