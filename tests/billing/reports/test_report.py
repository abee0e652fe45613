"""Reports of random events, against sums taken one by one: rows, others, total, in any zone, by anything."""

import csv
import io
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.billing.reports.books import Event, ExactBooks

from fastgate.billing.ledger import Summary
from fastgate.billing.money import PUSD, parse
from fastgate.billing.reports.asking import Asked, make
from fastgate.billing.reports.documents import csv_text, document
from fastgate.billing.reports.imported import Earned
from fastgate.billing.reports.periods import shown as moment
from fastgate.billing.reports.query import UnfitQuestion
from fastgate.billing.reports.report import Report, Sources
from fastgate.billing.reports.revenue import Prices, Unit
from fastgate.billing.reports.rows import Row
from fastgate.cli.costs_plot import costs_plot
from fastgate.cli.costs_text import costs_text
from fastgate.cli.terminal import Shown, Style

NOW = int(datetime(2026, 11, 29, 10, 20, tzinfo=UTC).timestamp())
ODD = [
    "",
    "'quoted",
    "=1+1",
    'a,b\n"c"',
    "検索アシスタント",
    "\x1b[31mred",
    "\u2013",
    "x" * 300,
    "(none)",
    "total",
    "e\u0301\u200b",
]
NAMES = [None, "a", "b", "c", *ODD]
SCOPES = ("feature", "tenant", "user", "model", "session")
CLASSES = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")


def random_events(seed: int, number: int) -> list[Event]:
    """Drawn from a seed: drawing every field from hypothesis takes most of a minute."""
    random = Random(seed)
    return [
        Event(
            started_unix_s=random.randrange(NOW - 70 * 86_400, NOW),
            cost_pusd=None if random.random() < 0.2 else random.choice([0, 1, random.randrange(10**14)]),
            tokens={name: random.randrange(10**7) for name in CLASSES if random.random() < 0.5},
            failed=random.random() < 0.3,
            truncated=random.random() < 0.3,
            repeated=random.random() < 0.3,
            outcome=random.choice(["answered", "client_gone"]),
            names={name: random.choice(NAMES) for name in SCOPES},
        )
        for _ in range(number)
    ]


EVENTS = st.builds(random_events, st.integers(0, 2**32), st.integers(0, 40))
BY = st.sampled_from(
    ["feature", "tenant,feature", "day", "feature,day", "month,model", "session", "user,model", "deployment"]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])


class Entry(msgspec.Struct, frozen=True):
    unit: Unit
    amount_pusd: int
    feature: str | None = None
    tenant: str | None = None
    model: str | None = None

    @property
    def prices(self) -> dict[Unit, int]:
        return {self.unit: self.amount_pusd}


ENTRIES = st.lists(
    st.builds(
        Entry,
        unit=st.sampled_from(["request", "session", "user_month", "1k_tokens"]),
        amount_pusd=st.integers(0, 10**13),
        feature=st.sampled_from([None, "a", "b"]),
        tenant=st.sampled_from([None, "a"]),
    ),
    max_size=4,
)


def value(event: Event, by: str, zone: str) -> str | None:
    local = datetime.fromtimestamp(event.started_unix_s, ZoneInfo(zone))
    return (
        local.strftime({"day": "%Y-%m-%d", "month": "%Y-%m"}[by])
        if by in ("day", "month")
        else event.names.get(by)
    )


def report_of(events: Sequence[Event], asked: Asked | None = None, sources: Sources | None = None) -> Report:
    return make(asked or Asked(), ExactBooks(events), sources or Sources(Prices(())), NOW)


@given(EVENTS, BY, ZONES, st.integers(1, 5), ENTRIES)
@settings(max_examples=60)
def test_rows_against_sums_taken_one_by_one(
    events: list[Event], by: str, zone: str, top: int, entries: list[Entry]
) -> None:
    asked = Asked(by=by, time_zone=zone, top=str(top))
    found = report_of(events, asked, Sources(Prices(entries)))
    period = found.period
    inside = [e for e in events if period.since_unix_s <= e.started_unix_s < period.until_unix_s]
    groups: dict[tuple[str | None, ...], list[Event]] = defaultdict(list)
    for event in inside:
        groups[tuple(value(event, name, zone) for name in by.split(","))].append(event)
    assert len(found.groups) == min(top, len(groups))
    assert found.others_count == max(0, len(groups) - top)
    for row in found.groups:
        check(row, groups.pop(row.group), found)
    if found.others:
        check(found.others, [event for events in groups.values() for event in events], found)
    check(found.total, inside, found)
    rows = [*found.groups, *([found.others] if found.others else [])]
    for name in ("revenue_pusd", "cost_pusd", "previous_cost_pusd", "unknown_cost_attempts"):
        known = [amount for row in rows if (amount := getattr(row, name)) is not None]
        if known or getattr(found.total, name) is not None:
            assert sum(known) == (getattr(found.total, name) or 0)
    assert found.total.sessions == sessions_of(inside)


def check(row: Row, events: list[Event], found: Report) -> None:
    known = [event.cost_pusd for event in events if event.cost_pusd is not None]
    unknown = len(events) - len(known)
    assert row.unknown_cost_attempts == unknown
    assert row.cost_pusd == (None if unknown and not sum(known) else sum(known))
    assert row.attempts == len(events)
    assert row.requests == sum(not event.failed for event in events)
    assert row.failed_attempts_cost_pusd == sum(event.cost_pusd or 0 for event in events if event.failed)
    assert row.truncated_cost_pusd == sum(event.cost_pusd or 0 for event in events if event.truncated)
    assert row.input_tokens() + row.output_tokens() == sum(sum(event.tokens.values()) for event in events)
    assert row.trend_pusd is None or sum(row.trend_pusd) == (row.cost_pusd or 0)
    if row.sessions is not None:
        assert row.sessions == sessions_of(events)
        inside = sum(e.cost_pusd or 0 for e in events if e.names["session"] is not None)
        expected = (
            round(Fraction(inside, row.sessions)) if row.sessions and row.cost_pusd is not None else None
        )
        assert row.cost_per_session_pusd == expected
    if row.cost_pusd is not None and row.requests:
        assert row.cost_per_request_pusd == round(Fraction(row.cost_pusd, row.requests))
    if row.revenue_pusd is not None and row.cost_pusd is not None:
        assert row.margin_pusd == row.revenue_pusd - row.cost_pusd


def sessions_of(events: Sequence[Event]) -> int:
    return len({(e.names["tenant"], e.names["session"]) for e in events if e.names["session"] is not None})


@given(EVENTS, ENTRIES)
@settings(max_examples=30)
def test_revenue_in_total_does_not_depend_on_what_it_is_by(events: list[Event], entries: list[Entry]) -> None:
    earned = [Earned("2026-11-20", "a", None, 12_345), Earned("2026-11-21", None, "b", -7)]
    sources = Sources(Prices(entries), earned)
    totals = {
        report_of(events, Asked(by=by), sources).total.revenue_pusd
        for by in ("feature", "user,model", "day", "session")
    }
    assert len(totals) == 1


@given(EVENTS, BY, ENTRIES, st.sampled_from([60, 80, 100, 180]))
@settings(max_examples=60)
def test_everything_printed_fits_and_parses_back(
    events: list[Event], by: str, entries: list[Entry], width: int
) -> None:
    found = report_of(events, Asked(by=by, top="5"), Sources(Prices(entries)))
    told = json.loads(msgspec.json.encode(document(found)))
    for row, struct in [*zip(told["groups"], found.groups, strict=True), (told["total"], found.total)]:
        check_money(row)
        assert row["cost_pusd"] == struct.cost_pusd
        assert row["margin_permille"] == struct.margin_permille
    lines = list(csv.DictReader(io.StringIO(csv_text(found))))
    assert [line["row"] for line in lines] == (
        ["group"] * len(found.groups) + (["others"] if found.others else []) + ["total"]
    )
    for line, each in zip(lines, found.groups, strict=False):
        names = [line[name] for name in by.split(",")]
        assert tuple(name.removeprefix("'") if name else None for name in names) == each.group
        assert all(not name.startswith(("=", "+", "-", "@", "\t")) for name in names)
        check_money({name: text or None for name, text in line.items()})
        assert int(line["input_tokens"]) == each.tokens["input_tokens"]
    for text in (costs_text(found, PLAIN, width), costs_plot(found, PLAIN, width)):
        for printed in text.splitlines():
            assert printed.startswith("note: ") or width < 80 or len(Shown(printed)) <= width, printed
            assert "\x1b" not in printed


def check_money(row: dict[str, Any]) -> None:
    amounts = [name for name in row if name.endswith("_usd")]
    assert len(amounts) >= 10
    for name in amounts:
        pusd = row[name.replace("_usd", "_pusd")]
        assert (row[name] is None) == (pusd is None)
        assert pusd is None or parse(row[name]) == int(pusd)


class Pipe(io.StringIO):
    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


PLAIN = Style(Pipe(), {})


def day(n: int, cost: int | None = PUSD, **names: str | None) -> Event:
    return Event(NOW - n * 86_400 - 3600, cost, names={"feature": "chat", "session": None, **names})


def test_an_empty_ledger_is_a_report_that_says_so() -> None:
    found = report_of([])
    assert found.groups == []
    assert found.total.cost_pusd == 0
    text = costs_text(found, PLAIN, 100)
    assert "note: the ledger is empty: `fastgate ledger load` fills it from the spool" in text
    assert json.loads(msgspec.json.encode(document(found)))["ledger_since"] is None
    assert "note: the ledger is empty" in costs_plot(found, PLAIN, 100)


def test_a_period_without_requests_says_what_the_ledger_has() -> None:
    found = report_of([day(3)], Asked(since="2025-01-01", until="2025-02-01"))
    assert found.notes == [
        "nothing was asked for in this period; "
        "the ledger goes from 2026-11-26T09:20:00Z to 2026-11-26T09:20:00Z"
    ]


def test_unknown_costs_are_no_zeros() -> None:
    events = [day(1, None, feature="new"), day(1, None, feature="half"), day(1, PUSD, feature="half")]
    found = report_of(events, None, Sources(Prices([Entry("request", PUSD)])))
    half, new = found.groups
    assert (half.group, half.cost_pusd, half.margin_pusd) == (("half",), PUSD, PUSD)
    assert (new.cost_pusd, new.margin_pusd, new.cost_per_request_pusd) == (None, None, None)
    text = costs_text(found, PLAIN, 100)
    assert "unknown" in text
    assert "≥ $1.00" in text
    assert "≤ $1.00" in text
    assert "note: 2 attempts have no known price" in text


def test_a_loss_is_red_on_a_terminal_and_plain_elsewhere() -> None:
    found = report_of([day(1)], None, Sources(Prices([Entry("request", PUSD // 4)])))
    assert found.groups[0].margin_permille == -3000
    terminal = costs_text(found, Style(Pipe(is_terminal=True), {}), 100)
    assert "\x1b[31m-$0.7500\x1b[0m" in terminal
    for style in (
        PLAIN,
        Style(Pipe(is_terminal=True), {"NO_COLOR": "1"}),
        Style(Pipe(is_terminal=True), {"TERM": "dumb"}),
    ):
        assert "\x1b" not in costs_text(found, style, 100)
    assert "-$0.75" in costs_text(found, PLAIN, 100)


def test_half_a_day_of_history_has_no_trend_and_no_unusual_days() -> None:
    found = report_of([Event(NOW - 6 * 3600, PUSD, names={"feature": "chat"})])
    assert found.groups[0].previous_cost_pusd is None
    assert (found.judged_features, found.young_features) == (0, 1)
    assert "too little history: it takes 14 days" in costs_text(found, PLAIN, 100)


def test_the_period_before_is_compared_with_where_the_ledger_has_it() -> None:
    events = [day(n, PUSD if n < 30 else 2 * PUSD) for n in range(60)] + [day(2, feature="new")]
    found = report_of(events)
    chat, new = found.groups
    assert chat.change_permille is not None
    assert -510 < chat.change_permille < -440
    assert new.previous_cost_pusd == 0
    assert new.change_permille is None
    assert "new" in costs_text(found, PLAIN, 100).splitlines()[4]


class ManyUsers(ExactBooks):
    """A user for each number of picodollars, added up already."""

    def summary(self, by: Sequence[Any], *question: Any) -> list[Summary]:
        if tuple(by) != ("user",):
            return super().summary(by, *question)
        return [
            Summary(group=(f"u{n}",), requests=1, attempts=1, cost_pusd=n, sessions=0) for n in range(100_000)
        ]


def test_a_hundred_thousand_groups_are_twenty_and_the_others() -> None:
    books = ManyUsers([Event(NOW - 60, sum(range(100_000)))])
    found = make(Asked(by="user", since="1d"), books, Sources(Prices(())), NOW)
    assert [row.group for row in found.groups] == [(f"u{99_999 - n}",) for n in range(20)]
    assert found.others is not None
    assert found.others_count == 99_980
    assert found.others.cost_pusd == sum(range(99_980))
    assert "99,980 others" in costs_text(found, PLAIN, 100)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("cost", ["b", "c", "a"]),
        ("requests", ["a", "b", "c"]),
        ("revenue", ["a", "b", "c"]),
        ("margin", ["a", "c", "b"]),
        ("name", ["a", "b", "c"]),
        ("tokens", ["c", "a", "b"]),
    ],
)
def test_orders(sort: str, expected: list[str]) -> None:
    events = [
        day(1, PUSD, feature="b"),
        day(1, 1, feature="a"),
        day(1, 1, feature="a"),
        day(1, PUSD // 2, feature="c"),
    ]
    events.append(Event(NOW - 60, None, {"output_tokens": 5}, failed=True, names={"feature": "c"}))
    found = report_of(events, Asked(sort=sort), Sources(Prices([Entry("request", PUSD)])))
    assert [row.group[0] for row in found.groups] == expected


def test_days_are_in_their_order_and_those_of_the_zone() -> None:
    late = int(datetime(2026, 11, 27, 23, 30, tzinfo=UTC).timestamp())
    found = report_of([Event(late, 1), Event(late - 86_400, 5)], Asked(by="day", time_zone="Europe/Berlin"))
    assert [(row.group, row.cost_pusd) for row in found.groups] == [
        (("2026-11-27",), 5),
        (("2026-11-28",), 1),
    ]


def test_filters_hold_for_every_part() -> None:
    events = [
        day(1, 5, tenant="a", feature="debug"),
        day(1, 7, tenant="b", feature="debug"),
        day(1, 9, tenant="b"),
    ]
    found = report_of(events, Asked(where={"tenant": ["a"]}))
    assert found.total.cost_pusd == 5
    assert {each.kind: each.cost_pusd for each in found.waste}["debug_features"] == 5
    nobody = report_of([*events, day(1, 11, tenant=None)], Asked(where={"tenant": [""]}))
    assert nobody.total.cost_pusd == 11


def test_imports_are_left_out_where_a_filter_makes_them_untellable() -> None:
    sources = Sources(Prices(()), [Earned("2026-11-20", "chat", None, PUSD)])
    assert report_of([day(1)], None, sources).total.revenue_pusd == PUSD
    assert report_of([day(1)], Asked(where={"feature": ["chat"]}), sources).total.revenue_pusd == PUSD
    assert report_of([day(1)], Asked(where={"feature": ["other"]}), sources).total.revenue_pusd is None
    filtered = report_of([day(1, user="u")], Asked(where={"user": ["u"]}), sources)
    assert filtered.total.revenue_pusd is None
    assert any("imported revenue is left out" in note for note in filtered.notes)


def test_waste_by_class() -> None:
    events = [
        Event(NOW - 60, 1, failed=True, names={"feature": "chat"}),
        Event(NOW - 60, 20, truncated=True, names={"feature": "chat"}),
        Event(NOW - 60, 300, repeated=True, names={"feature": "Test-2"}),
        Event(NOW - 60, 4000, outcome="client_gone", names={"feature": None}),
        Event(NOW - 60, 0, outcome="client_gone", names={"feature": None}),
        Event(NOW - 60, 50_000, names={"feature": "testing"}),
    ]
    found = report_of(events, Asked(debug_features="test-*, debug"))
    assert {each.kind: (each.count, each.cost_pusd) for each in found.waste} == {
        "failed_attempts": (1, 1),
        "unanswered_requests": (1, 4000),
        "truncated_answers": (1, 20),
        "repeated_prompts": (1, 300),
        "debug_features": (1, 300),
    }
    assert found.waste[-1].names == ["Test-2"]
    by_user = report_of(events, Asked(where={"user": [""]}))
    assert {each.kind: each.cost_pusd for each in by_user.waste}["unanswered_requests"] == 4000


def test_unusual_days_are_those_of_complete_days_only() -> None:
    events = [day(n, (9 if n in (0, 3) else 1) * PUSD) for n in range(60)]
    found = report_of(events)
    assert [(each.day, each.feature) for each in found.anomalies] == [("2026-11-26", "chat")]
    assert "2026-11-26  chat" in costs_text(found, PLAIN, 100)


@pytest.mark.parametrize(
    "asked",
    [
        Asked(by=""),
        Asked(by="feature,feature"),
        Asked(by="day,month"),
        Asked(by="outcome"),
        Asked(where={"day": ["2026-11-01"]}),
        Asked(sort="x"),
        Asked(top="many"),
        Asked(top="1000000"),
        Asked(top="\u0663"),
    ],
)
def test_what_can_not_be_asked(asked: Asked) -> None:
    with pytest.raises(UnfitQuestion):
        report_of([], asked)


def test_a_trend_has_its_parts_in_days_or_hours() -> None:
    month = report_of([day(n) for n in range(40)])
    assert len(month.parts) == 8
    assert {b - a for a, b in zip(month.parts, month.parts[1:], strict=False)} == {4 * 86_400}
    hours = report_of([day(0)], Asked(since="12h"))
    assert all(begin % 3600 == 0 for begin in hours.parts)
    assert hours.parts[1] - hours.parts[0] == 2 * 3600
    year = report_of([day(n) for n in range(200)], Asked(since="300d"))
    assert [moment(begin) for begin in year.parts] == [
        *("2026-02-02", "2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01"),
        *("2026-07-01", "2026-08-01", "2026-09-01", "2026-10-01", "2026-11-01"),
    ]
    assert sum(year.total.trend_pusd or []) == 200 * PUSD
    users = report_of([day(0)], Asked(by="user", since="12h"))
    assert len(users.parts) <= 2
    assert timedelta(seconds=hours.period.length_s) == timedelta(hours=13)
