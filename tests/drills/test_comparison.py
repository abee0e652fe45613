"""What a drill did, from records."""

import itertools
from typing import Any

from tests.drills.conftest import HOUR_MS, START_MS

from fastgate.drills.comparison import (
    BEFORE,
    MODELS,
    OTHER_MODELS,
    OTHER_TRAFFIC,
    SAME_TRAFFIC,
    Comparison,
    Record,
    Tried,
)
from fastgate.drills.drill import Drill

START_US = START_MS * 1000
_ids = itertools.count()


def comparison(**more: Any) -> Comparison:
    fields: dict[str, Any] = {"provider": "anthropic", "permille": 100, "tenants": ("staging",), **more}
    drill = Drill(id="d", starts_unix_ms=START_MS, ends_unix_ms=START_MS + 2 * HOUR_MS, **fields)
    return Comparison(drill, START_MS + HOUR_MS)


def record(**more: Any) -> Record:
    fields: dict[str, Any] = {
        "id": f"fgr_{next(_ids)}",
        "started_unix_us": START_US + 1,
        "tenant": "staging",
        "model": "chat",
        "deployment": "gpt",
        "outcome": "answered",
        "fault": "none",
        "total_us": 1000,
        "cost_pusd": 10,
        **more,
    }
    return Record(**fields)


FORCED = (Tried("opus", "drill"), Tried("haiku", "drill"))


def model(found: Comparison, name: str = "chat") -> dict[str, Any]:
    return next(entry for entry in found.shown()["models"] if entry["model"] == name)


def test_what_fell_back_where() -> None:
    found = comparison()
    for _ in range(3):
        found.add(record(drill="d", trail=FORCED))
    failed = (*FORCED, Tried("mistral", "overloaded"), Tried("gpt", "server_error"))
    found.add(record(drill="d", trail=failed, outcome="provider_failed", fault="provider"))
    found.add(record(drill="d", trail=FORCED, deployment="haiku", outcome="no_route", fault="policy"))
    found.add(record(drill="d", trail=(Tried("mistral", "overloaded"),)))
    found.add(record(drill="d", trail=()))
    shown = found.shown()
    assert shown["fallbacks"] == [
        {"from": "opus", "to": "gpt", "exchanges": 4, "answered": 3},
        {"from": "opus", "to": None, "exchanges": 1, "answered": 0},
    ]
    assert shown["forced"] == 5
    assert model(found)["with"]["exchanges"] == 7


def test_both_sides_are_added_up() -> None:
    found = comparison()
    for total_us in (10, 20, 30, 100):
        found.add(record(drill="d", total_us=total_us, first_content_us=total_us // 2, cost_pusd=total_us))
    found.add(record(drill="d", outcome="stream_cut", fault="provider", total_us=1, cost_pusd=None))
    found.add(record(drill="d", outcome="client_gone", fault="caller", total_us=1))
    found.add(record(total_us=50, cost_pusd=3))
    found.add(record(total_us=60, cost_pusd=4))
    shown = model(found)
    assert shown["with"] == {
        "exchanges": 6,
        "answered": 4,
        "not_judged": 1,
        "answered_permille": 800,
        "failures": {"stream_cut": 1},
        "total_p50_us": 20,
        "total_p99_us": 100,
        "first_content_p50_us": 10,
        "cost_pusd": 170,
        "costs_known": 5,
        "cost_per_exchange_pusd": 34,
    }
    without = shown["without"]
    assert (without["exchanges"], without["total_p50_us"], without["cost_per_exchange_pusd"]) == (2, 50, 3)
    assert without["first_content_p50_us"] is None
    assert shown["compared_with"] == SAME_TRAFFIC


def test_the_nearest_traffic_is_compared_with() -> None:
    def compared(*others: Record) -> tuple[str | None, int]:
        found = comparison()
        found.add(record(drill="d"))
        for other in others:
            found.add(other)
        shown = model(found)
        return shown["compared_with"], shown["without"]["exchanges"] if shown["without"] else 0

    same, other_tenant = record(), record(tenant="prod")
    before = record(started_unix_us=START_US - 1)
    assert compared(same, other_tenant, before) == (SAME_TRAFFIC, 1)
    assert compared(other_tenant, other_tenant, before) == (OTHER_TRAFFIC, 2)
    assert compared(before) == (BEFORE, 1)
    assert compared() == (None, 0)


def test_what_is_not_to_be_compared_is_left_out() -> None:
    found = comparison()
    found.add(record(drill="d"))
    for other in (
        record(drill="another"),
        record(started_unix_us=START_US + HOUR_MS * 1000),
        record(started_unix_us=START_US - HOUR_MS * 1000 - 1),
        record(started_unix_us=START_US - 1, tenant="prod"),
        record(model="embeddings"),
        record(model=None),
    ):
        found.add(other)
    (shown,) = found.shown()["models"]
    assert (shown["with"]["exchanges"], shown["without"]) == (1, None)


def test_records_of_an_earlier_drill_with_the_same_id_do_not_count() -> None:
    found = comparison()
    found.add(record(drill="d", started_unix_us=START_US - 1))
    assert found.shown()["models"] == []


def test_what_broke_with_a_few_ids() -> None:
    found = comparison()
    for number in range(7):
        found.add(record(id=f"fgr_{number}", drill="d", outcome="stream_cut", fault="provider"))
    found.add(record(id="fgr_x", drill="d", outcome="client_gone", fault="caller"))
    assert found.shown()["broke"] == [
        {
            "outcome": "stream_cut",
            "fault": "provider",
            "exchanges": 7,
            "request_ids": [f"fgr_{number}" for number in range(5)],
        },
        {"outcome": "client_gone", "fault": "caller", "exchanges": 1, "request_ids": ["fgr_x"]},
    ]


def test_names_that_clients_make_up_are_bounded() -> None:
    found = comparison()
    for number in range(MODELS + 10):
        found.add(record(drill="d", model=f"m{number}"))
    assert len(found.shown()["models"]) == MODELS + 1
    assert model(found, OTHER_MODELS)["with"]["exchanges"] == 10


def test_features_narrow_too() -> None:
    found = comparison(tenants=None, features=("search",))
    found.add(record(drill="d", feature="search"))
    found.add(record(feature="search"))
    found.add(record(feature="chat"))
    found.add(record(feature=None))
    shown = model(found)
    assert (shown["compared_with"], shown["without"]["exchanges"]) == (SAME_TRAFFIC, 1)


def test_nothing_judged_has_no_share() -> None:
    found = comparison()
    found.add(record(drill="d", outcome="client_gone", fault="caller"))
    assert model(found)["with"]["answered_permille"] is None
