"""Budgets: whose, how much, in which period; forecasts and states from what the ledger has."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.billing.reports.books import Event, ExactBooks

from fastgate.billing.money import PUSD
from fastgate.billing.reports.budgets import Budget, Calendar, Known, budgets, known
from fastgate.billing.reports.periods import UnfitPeriod


def at(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


NOW = at(2026, 11, 29, 12)


def limit(**changed: Any) -> dict[str, Any]:
    """A rule as `rust/core/src/tables/limits.rs` has it."""
    return {
        "name": "monthly",
        "per": ["tenant"],
        "when": {"tenant": None, "tier": None, "key": None, "user": None, "feature": None, "model": None},
        "resource": "usd",
        "amount": 100 * PUSD,
        "key_amounts": {},
        "window": {"calendar": {"period": "month", "time_zone": "UTC"}},
        "is_hard": True,
        "warn_permille": 800,
        "downgrade": None,
        **changed,
    }


def tables(*limits: dict[str, Any]) -> dict[str, Any]:
    return {
        "tenants": [
            {"id": "default", "tier": None},
            {"id": "acme", "tier": 1},
            {"id": "globex", "tier": 1},
            {"id": "tiny", "tier": 0},
        ],
        "tiers": [{"id": "free"}, {"id": "paid"}],
        "limits": list(limits),
    }


def spent(moment: int, usd: int | None, tenant: str | None = "acme", **names: str | None) -> Event:
    return Event(moment, None if usd is None else usd * PUSD, names={"tenant": tenant, **names})


def told(events: list[Event], *limits: dict[str, Any], now: int = NOW, **options: Any) -> list[Budget]:
    return budgets(ExactBooks(events), known(tables(*limits)), now, **options)[0]


EVERY_DAY = [spent(at(2026, 11, day, 6), 3) for day in range(1, 30)] + [spent(at(2026, 10, 20), 500)]


def test_what_was_spent_since_the_periods_start_and_what_will_be() -> None:
    (found,) = told(EVERY_DAY, limit())
    assert found.identity == {"tenant": "acme"}
    assert (found.spent_pusd, found.amount_pusd, found.spent_permille) == (87 * PUSD, 100 * PUSD, 870)
    assert (found.since_unix_s, found.until_unix_s) == (at(2026, 11, 1), at(2026, 12, 1))
    # 28.5 of 30 days have passed.
    assert found.linear_pusd == 87 * PUSD + round(87 * PUSD * 3 / 57)
    # Half a day at 3 USD, and a whole one.
    assert found.by_weekday_pusd == 87 * PUSD + 3 * PUSD // 2 + 3 * PUSD
    assert (found.state, found.reached_unix_s) == ("warned", None)


@pytest.mark.parametrize(
    ("amount", "state", "reached"),
    [
        (200, "ok", None),
        (92, "warned", None),
        (90, "will_be_spent", at(2026, 11, 30, 12)),
        (88, "will_be_spent", at(2026, 11, 29, 20)),
        (87, "spent", None),
        (0, "spent", None),
    ],
)
def test_states(amount: int, state: str, reached: int | None) -> None:
    (found,) = told(EVERY_DAY, limit(amount=amount * PUSD))
    assert (found.state, found.reached_unix_s) == (state, reached)


def test_without_a_warning_none_is_given() -> None:
    (found,) = told(EVERY_DAY, limit(amount=92 * PUSD, warn_permille=None))
    assert found.state == "ok"


def test_little_history_leaves_the_linear_forecast() -> None:
    (found,) = told([spent(at(2026, 11, 27), 10)], limit(amount=11 * PUSD))
    assert found.by_weekday_pusd is None
    # The ledger begins in the middle of the month: 10 USD in 2.5 days, and 1.5 are left.
    assert found.linear_pusd == 16 * PUSD
    assert found.reached_unix_s == NOW + 86_400 // 4


def test_days_and_weeks_are_those_of_the_rules_zone() -> None:
    rules = [
        limit(name=period, window={"calendar": {"period": period, "time_zone": "America/New_York"}})
        for period in ("day", "week", "month")
    ]
    events = [spent(at(2026, 11, 29, 4), 1), spent(at(2026, 11, 29, 6), 2), spent(at(2026, 11, 23, 4), 4)]
    found = {each.period: each for each in told(events, *rules)}
    assert {period: each.spent_pusd // PUSD for period, each in found.items()} == {
        "day": 2,
        "week": 3,
        "month": 7,
    }
    assert found["day"].since_unix_s == at(2026, 11, 29, 5)
    assert found["week"].since_unix_s == at(2026, 11, 23, 5)


def test_each_identity_has_its_own_and_none_has_none() -> None:
    rule = limit(per=["tenant", "user"])
    events = [spent(NOW, 1, user="u"), spent(NOW, 2, "globex", user="u"), spent(NOW, 4, user=None)]
    assert [(each.identity, each.spent_pusd // PUSD) for each in told(events, rule)] == [
        ({"tenant": "globex", "user": "u"}, 2),
        ({"tenant": "acme", "user": "u"}, 1),
    ]


def test_tiers_are_the_tenants_in_them() -> None:
    events = [spent(NOW, 1), spent(NOW, 2, "globex"), spent(NOW, 4, "tiny"), spent(NOW, 8, "default")]
    by_tier = told(events, limit(per=["tier"]))
    assert {each.identity["tier"]: each.spent_pusd // PUSD for each in by_tier} == {"free": 4, "paid": 3}
    (paid,) = told(events, limit(per=[], when={"tier": [1]}))
    assert paid.spent_pusd == 3 * PUSD
    (acme,) = told(events, limit(per=["tenant"], when={"tier": [1], "tenant": [1, 3]}))
    assert acme.identity == {"tenant": "acme"}


def test_conditions_and_amounts_of_keys_hold() -> None:
    events = [spent(NOW, 1, key="k1", model="m"), spent(NOW, 2, key="k2", model="m"), spent(NOW, 4, key="k1")]
    found = told(events, limit(per=["key"], when={"model": ["m"]}, key_amounts={"k2": 4 * PUSD}))
    assert [(each.identity["key"], each.amount_pusd // PUSD, each.spent_permille) for each in found] == [
        ("k2", 4, 500),
        ("k1", 100, 10),
    ]


def test_a_budget_that_all_share_is_told_before_anybody_used_it() -> None:
    (found,) = told([], limit(per=[]))
    assert (found.spent_pusd, found.identity, found.state) == (0, {}, "ok")
    assert told([], limit()) == []


def test_unknown_costs_are_counted_beside() -> None:
    (found,) = told([spent(NOW, None), spent(NOW, 1)], limit())
    assert (found.spent_pusd, found.unknown_cost_attempts) == (PUSD, 1)


def test_only_the_most_used_are_told_and_the_others_counted() -> None:
    events = [spent(NOW, n, user=f"u{n}") for n in range(30)]
    found, left_out = budgets(ExactBooks(events), known(tables(limit(per=["tenant", "user"]))), NOW, most=3)
    assert [each.identity["user"] for each in found] == ["u29", "u28", "u27"]
    assert left_out == 27


def test_a_filter_leaves_the_budgets_of_others_out() -> None:
    events = [spent(NOW, 1), spent(NOW, 2, "globex")]
    found = told(events, limit(), limit(name="all", per=[]), where={"tenant": ["globex"]})
    assert [(each.rule, each.identity) for each in found] == [("all", {}), ("monthly", {"tenant": "globex"})]


def test_other_limits_are_no_budgets() -> None:
    others = [
        limit(resource="requests"),
        limit(window={"sliding": {"window_ms": 3_600_000}}),
        limit(window={"rate": {"period_ms": 1000, "burst": 1}}),
        limit(resource="concurrent", window="none"),
    ]
    assert known(tables(*others)).rules == ()
    assert known({"tenants": [], "tiers": []}) == Known()


def test_a_zone_that_is_gone_is_said() -> None:
    with pytest.raises(UnfitPeriod, match="Nowhere"):
        Calendar("day", "Nowhere").around(NOW)
