"""Reports over a real ledger, loaded from a spool, are those over the exact list of the same events."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.billing.reports.books import Event, ExactBooks
from tests.billing.reports.test_budgets import limit, tables
from tests.billing.reports.test_report import Entry

from fastgate.billing.ledger import Ledger
from fastgate.billing.ledger.segments import frame
from fastgate.billing.money import PUSD
from fastgate.billing.reports import imported
from fastgate.billing.reports.asking import Asked, make
from fastgate.billing.reports.budgets import known
from fastgate.billing.reports.documents import document
from fastgate.billing.reports.imported import Earned
from fastgate.billing.reports.report import Sources
from fastgate.billing.reports.revenue import Prices
from fastgate.cli import main

NOW = int(datetime(2026, 11, 29, 10, 20, tzinfo=UTC).timestamp())
SCOPES = ("tenant", "user", "feature", "session", "key", "model")


def exchanges(seed: int, number: int) -> Iterator[tuple[dict[str, Any], list[Event]]]:
    """Records as the engine writes them, and the events that they stand for."""
    random = Random(seed)
    for n in range(number):
        moment = random.randrange(NOW - 65 * 86_400, NOW)
        names: dict[str, str | None] = {name: random.choice([None, "a", "b", "c"]) for name in SCOPES}
        names["tenant"] = random.choice(["acme", "globex"])
        final = {"deployment": random.choice(["us", "eu"]), "provider": "openai"}
        usage = {"input_tokens": random.randrange(10**5), "output_tokens": random.randrange(10**4)}
        cost = random.choice([None, 0, random.randrange(10**13)])
        truncated, outcome = random.random() < 0.2, random.choice(["answered", "answered", "client_gone"])
        record: dict[str, Any] = {
            "v": 1,
            "id": f"fgr_{n:06}",
            "started_unix_us": moment * 1_000_000,
            "operation": "chat",
            "attempts": 1,
            "stream": False,
            "status": 200,
            "outcome": outcome,
            "fault": "none",
            "usage": usage,
            "cost_pusd": cost,
            "truncated": truncated,
            "saved_pusd": n,
            **names,
            **final,
        }
        events = [
            Event(
                moment, cost, usage, truncated=truncated, outcome=outcome, saved_pusd=n, names=names | final
            )
        ]
        if random.random() < 0.3:
            tried = {"deployment": "eu", "provider": "azure"}
            billed = random.randrange(10**12)
            usage = {"input_tokens": 7}
            record["trail"] = [{**tried, "reason": "timeout", "usage": usage, "cost_pusd": billed}]
            record["attempts"] = 2
            events.append(Event(moment, billed, usage, failed=True, names=names | tried))
        yield record, events


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    (folder / "spool").mkdir()
    data = b"".join(frame(json.dumps(record).encode()) for record, _ in exchanges(5, 1500))
    (folder / "spool" / "1793000000000-1-0-000000.spool").write_bytes(data)
    assert main(["ledger", "load", "--state-dir", str(folder)]) == 0
    return folder


EXACT = ExactBooks([event for _, events in exchanges(5, 1500) for event in events])
PRICES = Prices(
    [
        Entry("request", PUSD // 100, feature="a"),
        Entry("session", PUSD, tenant="acme"),
        Entry("user_month", 20 * PUSD, feature="b"),
        Entry("1k_tokens", PUSD // 7),
    ]
)
RULES = [
    limit(),
    limit(name="per user", per=["tenant", "user"], amount=30 * PUSD),
    limit(name="keys", per=["key"], when={"model": ["a"]}),
    limit(name="day", per=[], window={"calendar": {"period": "day", "time_zone": "Asia/Kolkata"}}),
]
SOURCES = Sources(PRICES, [Earned("2026-11-20", "a", None, 12 * PUSD)], known(tables(*RULES)))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize(
    ("by", "where"),
    [
        ("feature", {}),
        ("tenant,model", {}),
        ("user", {"tenant": ["acme"]}),
        ("deployment,provider", {"feature": ["a", ""]}),
        ("day", {}),
        ("month,feature", {}),
        ("session", {"user": ["a", "b"]}),
        ("key", {"session": [""]}),
    ],
)
def test_the_report_is_the_exact_one(
    state_dir: Path, by: str, where: dict[str, list[str]], zone: str
) -> None:
    asked = Asked(by=by, where=where, time_zone=zone, top="7")
    with Ledger.open(state_dir) as ledger:
        found = make(asked, ledger, SOURCES, NOW)
    assert msgspec.to_builtins(document(found)) == msgspec.to_builtins(
        document(make(asked, EXACT, SOURCES, NOW))
    )


@pytest.mark.parametrize("since", ["12h", "3d", "2026-11-03T10:17:31Z", "300d"])
def test_any_period_is_exact(state_dir: Path, since: str) -> None:
    asked = Asked(since=since, until="2026-11-29T09:00:01Z")
    with Ledger.open(state_dir) as ledger:
        found = document(make(asked, ledger, SOURCES, NOW))
    assert found == document(make(asked, EXACT, SOURCES, NOW))
    assert found["total"]["requests"] > 0


def test_a_correction_is_in_the_cost_of_its_time(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    record, events = next(iter(exchanges(9, 1)))
    correction = {
        "v": 1,
        "type": "correction",
        "id": "fix",
        "corrects": f"{record['id']}/0",
        "cost_pusd": -5,
        "reason": "credit",
        "started_unix_us": NOW * 1_000_000 - 1,
        "tenant": record["tenant"],
    }
    data = b"".join(frame(json.dumps(each).encode()) for each in (record | {"cost_pusd": 100}, correction))
    (tmp_path / "spool" / "1793000000000-1-0-000000.spool").write_bytes(data)
    assert main(["ledger", "load", "--state-dir", str(tmp_path)]) == 0
    with Ledger.open(tmp_path) as ledger:
        total = make(Asked(since="66d"), ledger, Sources(Prices(())), NOW).total
    failed = sum(event.cost_pusd or 0 for event in events if event.failed)
    assert (total.cost_pusd, total.corrections_pusd, total.requests) == (95 + failed, -5, 1)


def test_the_command_reads_it(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported.keep(state_dir, [Earned("2026-11-20", "a", None, PUSD)])
    words = [
        "--state-dir",
        str(state_dir),
        "--since",
        "2026-10-01",
        "--until",
        "2026-12-01",
        "--format",
        "json",
    ]
    assert main(["costs", *words]) == 0
    told: Any = json.loads(capsys.readouterr().out)
    exact = sum(event.cost_pusd or 0 for event in EXACT.events if event.started_unix_s >= 1_790_812_800)
    assert told["total"]["cost_pusd"] == exact
    assert told["total"]["revenue_pusd"] == PUSD
