"""Revenue: the most specific price wins, the sum does not depend on how it is cut, imports are added."""

from collections import defaultdict
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgate.billing.reports import imported
from fastgate.billing.reports.imported import Earned, RevenueUnreadable
from fastgate.billing.reports.revenue import (
    Prices,
    Revenue,
    Unit,
    Use,
    add_imported,
    add_metered,
    add_sold_once,
)


class Entry(msgspec.Struct, frozen=True):
    unit: Unit
    amount_pusd: int
    feature: str | None = None
    tenant: str | None = None
    model: str | None = None

    @property
    def prices(self) -> dict[Unit, int]:
        return {self.unit: self.amount_pusd}


NAMES = st.sampled_from([None, "a", "b"])
ENTRIES = st.lists(
    st.builds(
        Entry,
        unit=st.sampled_from(["request", "session", "user_month", "1k_tokens"]),
        amount_pusd=st.integers(0, 10**13),
        feature=NAMES,
        tenant=NAMES,
        model=NAMES,
    ),
    max_size=8,
)
USES = st.lists(
    st.builds(
        Use,
        scope=st.tuples(NAMES, NAMES, NAMES),
        group=st.tuples(NAMES, st.sampled_from(["x", "y"])),
        requests=st.integers(0, 50),
        tokens=st.integers(0, 10**6),
        buyer=st.one_of(st.none(), st.tuples(NAMES, st.sampled_from(["u", "v"]))),
    ),
    max_size=30,
)


def best(entries: list[Entry], scope: tuple[Any, Any, Any]) -> list[Entry]:
    """Try every subset of names, the largest first."""
    for keep in sorted(
        product([True, False], repeat=3), key=lambda keep: (-sum(keep), [not k for k in keep])
    ):
        wanted = tuple(name if k else None for name, k in zip(scope, keep, strict=True))
        if any(k and name is None for name, k in zip(scope, keep, strict=True)):
            continue
        if found := [entry for entry in entries if (entry.feature, entry.tenant, entry.model) == wanted]:
            return found
    return []


@given(ENTRIES, USES)
def test_against_the_definition(entries: list[Entry], uses: list[Use]) -> None:
    revenue, prices = Revenue(), Prices(entries)
    add_metered(revenue, prices, uses)
    add_sold_once(revenue, prices, uses, "session")
    add_sold_once(revenue, prices, uses, "user_month", (1, 3))
    expected: dict[Any, Fraction] = defaultdict(Fraction)
    sold: dict[Any, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
    for use in uses:
        for entry in best(entries, use.scope):
            if entry.unit == "request":
                expected[use.group] += entry.amount_pusd * use.requests
            elif entry.unit == "1k_tokens":
                expected[use.group] += Fraction(entry.amount_pusd * use.tokens, 1000)
            elif use.buyer:
                scope = entry.feature, entry.tenant, entry.model
                sold[scope, entry.unit, use.buyer][use.group] += use.requests
    for (scope, unit, _), groups in sold.items():
        amount = Fraction(
            sum(e.amount_pusd for e in entries if (e.feature, e.tenant, e.model) == scope and e.unit == unit),
            3 if unit == "user_month" else 1,
        )
        for group, requests in groups.items():
            whole = sum(groups.values())
            expected[group] += amount * Fraction(requests, whole) if whole else amount / len(groups)
    # Each division rounds by less than a picodollar.
    slack = len(uses) * 2 + 2
    for group in {*expected, *revenue.by_group}:
        assert abs(expected[group] - revenue.by_group.get(group, 0)) <= slack
    assert {use.group for use in uses if best(entries, use.scope)} >= revenue.by_group.keys()


@given(ENTRIES, USES)
def test_the_sum_is_the_same_however_it_is_cut(entries: list[Entry], uses: list[Use]) -> None:
    sums = set()
    for cut in (lambda group: group, lambda group: group[:1], lambda group: ()):
        revenue, prices = Revenue(), Prices(entries)
        again = [msgspec.structs.replace(use, group=cut(use.group)) for use in uses]
        add_metered(revenue, prices, again)
        add_sold_once(revenue, prices, again, "session")
        add_sold_once(revenue, prices, again, "user_month", (5, 31))
        sums.add(sum(revenue.by_group.values()))
    assert len(sums) == 1


def test_the_most_specific_scope_wins_with_all_its_prices() -> None:
    prices = Prices(
        [
            Entry("request", 1, model="m"),
            Entry("request", 10, tenant="t"),
            Entry("request", 100, feature="f"),
            Entry("1k_tokens", 1000, feature="f"),
            Entry("request", 1000, tenant="t", model="m"),
            Entry("request", 10_000),
        ]
    )

    def earned(feature: str | None, tenant: str | None, model: str | None) -> int:
        revenue = Revenue()
        add_metered(revenue, prices, [Use((feature, tenant, model), ("g",), 1, 7)])
        return revenue.by_group[("g",)]

    assert earned("f", "t", "m") == 1000
    assert earned("f", "t", "other") == 100 + 7
    assert earned(None, "t", None) == 10
    assert earned(None, None, "m") == 1
    assert earned("other", None, None) == 10_000


def test_what_no_price_is_for_has_no_revenue_rather_than_none() -> None:
    revenue = Revenue()
    add_metered(revenue, Prices([Entry("request", 5, feature="f")]), [Use(("g", None, None), ("g",), 1)])
    add_sold_once(
        revenue, Prices([Entry("session", 5, feature="f")]), [Use(("f", None, None), ("f",), 1)], "session"
    )
    assert revenue.by_group == {("f",): 0}


EARNED = st.builds(
    Earned,
    date=st.sampled_from(["2026-11-01", "2026-11-02"]),
    feature=NAMES,
    tenant=NAMES,
    pusd=st.integers(-(10**15), 10**15),
)


@given(st.lists(EARNED, max_size=10), USES)
def test_imports_lose_nothing_and_stay_with_their_feature(earned: list[Earned], uses: list[Use]) -> None:
    uses = [msgspec.structs.replace(use, group=(use.scope[0], use.group[1])) for use in uses]
    revenue = Revenue()
    add_imported(revenue, earned, uses, ["feature", "user"])
    assert sum(revenue.by_group.values()) == sum(entry.pusd for entry in earned)
    for feature in ("a", "b"):
        if any(entry.feature is None for entry in earned):
            continue
        expected = sum(entry.pusd for entry in earned if entry.feature == feature)
        assert sum(pusd for group, pusd in revenue.by_group.items() if group[0] == feature) == expected


def test_an_import_by_day_goes_to_its_day_also_where_nobody_used_it() -> None:
    revenue = Revenue()
    earned = [Earned("2026-11-01", "f", None, 70), Earned("2026-11-02", "f", None, 5)]
    uses = [Use(("f", "t", None), ("2026-11-01", "f"), 3), Use(("f", "u", None), ("2026-11-01", "f"), 4)]
    add_imported(revenue, earned, uses, ["day", "feature"])
    assert revenue.by_group == {("2026-11-01", "f"): 70, ("2026-11-02", "f"): 5}


def write(folder: Path, text: str) -> Path:
    file = folder / "revenue.csv"
    file.write_text(text)
    return file


def test_a_file_may_be_imported_again(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "\ufeffusd,Date,feature,tenant\n12.5,2026-11-01,chat,acme\n0.5,2026-11-01,chat,acme\n\n"
        '-3,2026-11-02,"a, b",\n',
    )
    rows = imported.read_csv(file)
    assert imported.keep(tmp_path, rows) == (2, 0)
    assert imported.keep(tmp_path, rows) == (0, 2)
    assert imported.read(tmp_path) == [
        Earned("2026-11-01", "chat", "acme", 13 * 10**12),
        Earned("2026-11-02", "a, b", None, -3 * 10**12),
    ]
    imported.keep(tmp_path, [Earned("2026-11-01", "chat", "acme", 7)])
    assert imported.read(tmp_path)[0].pusd == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the heading must be date,feature,tenant,usd"),
        ("date,feature,usd\n", ":1: the heading"),
        ("date,feature,tenant,usd\n2026-11-01,a,b\n", ":2: 3 columns"),
        ("date,feature,tenant,usd\n01.11.2026,a,b,1\n", ":2: date must be"),
        ("date,feature,tenant,usd\n2026-11-01,a,b,1\n2026-11-01,a,b,1e5\n", ":3: usd must be an amount"),
        ('date,feature,tenant,usd\n2026-11-01,"a,b,1\n', "unexpected end"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RevenueUnreadable, match=message):
        imported.read_csv(write(tmp_path, text))


def test_bytes_and_absent_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"date,feature,tenant,usd\n2026-11-01,\xff,,1\n")
    for name in ("x.csv", "absent.csv"):
        with pytest.raises(RevenueUnreadable, match=name):
            imported.read_csv(tmp_path / name)


def test_what_is_kept_and_damaged_is_an_error_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / imported.FILE).write_text('{"v": 1, "earned": [')
    with pytest.raises(RevenueUnreadable, match="can't be read"):
        imported.keep(tmp_path, [])
    (tmp_path / imported.FILE).write_text('{"v": 2, "earned": []}')
    with pytest.raises(RevenueUnreadable, match="newer version"):
        imported.read(tmp_path)
