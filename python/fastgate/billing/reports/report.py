"""A whole report: the groups that matter, the rest as one, the total, and what there is to say about them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal, TypeAlias, get_args

import msgspec

from fastgate.billing.money import divided
from fastgate.billing.reports import trend
from fastgate.billing.reports.anomalies import HISTORY_DAYS, Anomaly, History, unusual
from fastgate.billing.reports.budgets import Budget, Known, budgets
from fastgate.billing.reports.earnings import earnings, is_import_left_out
from fastgate.billing.reports.imported import Earned
from fastgate.billing.reports.periods import Period, starts
from fastgate.billing.reports.query import TIMES, Books, By, Question, Remembering, daily, spending, used
from fastgate.billing.reports.revenue import Group, Prices
from fastgate.billing.reports.rows import Row, merged, nobodys, row
from fastgate.billing.reports.waste import DEBUG_FEATURES, Waste, waste
from fastgate.moments import rfc3339

Sort: TypeAlias = Literal["cost", "revenue", "margin", "requests", "tokens", "change", "name"]
SORTS: tuple[Sort, ...] = get_args(Sort)
TOP = 20
# Days and months are read from the first to the last, all of them.
TOP_OF_TIMES = 400
# Features whose days are judged, the dearest first, and days of the period, the last ones.
MOST_JUDGED, DAYS_JUDGED = 200, 31
# A period is compared with the one before if the ledger has nine tenths of that.
_MISSING_AT_MOST = 10


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How a report is made."""

    sort: Sort | None = None
    """Default: by cost, or by time where a report begins with one."""
    top: int | None = None
    """Groups that get a row of their own."""
    debug_features: Sequence[str] = DEBUG_FEATURES
    parts: int = 10
    """How finely a trend is told, at most."""


class Sources(msgspec.Struct, frozen=True):
    """What beside the ledger a report is made of."""

    prices: Prices
    imported: Sequence[Earned] = ()
    known: Known = Known()


class Report(msgspec.Struct, kw_only=True):
    """Everything that a table, a plot or a document shows."""

    by: tuple[By, ...]
    period: Period
    made_unix_s: int
    first_unix_s: int | None
    """When the ledger begins; None if it is empty."""
    groups: list[Row]
    others: Row | None
    others_count: int
    total: Row
    parts: list[int]
    """Where the parts of every `trend_pusd` begin."""
    waste: list[Waste]
    anomalies: list[Anomaly]
    judged_features: int
    """Features with enough history to tell an unusual day."""
    young_features: int
    """Those with too little."""
    budgets: list[Budget]
    budgets_left_out: int
    notes: list[str]


def report(books: Books, question: Question, wishes: Wishes, sources: Sources, now_unix_s: int) -> Report:
    """Make a report.

    Raises:
        LedgerError: The ledger is damaged.
    """
    books = Remembering(books)
    span = books.span()
    rows = _rows(books, question, sources, None if span is None else span[0] // 1_000_000)
    _add_cost_per_session(books, question, rows)
    shown, rest = _chosen(rows, question.by, wishes)
    total = merged(rows, ())
    bounds = question.period.since_unix_s, question.period.until_unix_s
    total.sessions, total.sessions_are_estimated = books.session_count(*bounds, question.where)  # type: ignore[arg-type]
    _set_cost_per_session(books, question, total)
    parts = (
        []
        if set(question.by) & {*TIMES}
        else _add_trends(books, question, wishes.parts, (shown, rest, total))
    )
    found, judged, young = _anomalies(books, question, now_unix_s)
    used_budgets, left_out = budgets(books, sources.known, now_unix_s, question.where)
    return Report(
        by=question.by,
        period=question.period,
        made_unix_s=now_unix_s,
        first_unix_s=None if span is None else span[0] // 1_000_000,
        groups=shown,
        others=merged(rest, tuple(None for _ in question.by)) if rest else None,
        others_count=len(rest),
        total=total,
        parts=parts,
        waste=waste(books, total, question, wishes.debug_features),
        anomalies=found,
        judged_features=judged,
        young_features=young,
        budgets=used_budgets,
        budgets_left_out=left_out,
        notes=_notes(question, sources, total, span),
    )


def _rows(books: Books, question: Question, sources: Sources, first_unix_s: int | None) -> list[Row]:
    by, period, where = question.by, question.period, question.where
    rows = {group: row(summary, group) for group, summary in used(books, by, period, where).items()}
    for group, pusd in earnings(books, question, sources.prices, sources.imported).items():
        rows.setdefault(group, nobodys(group)).revenue_pusd = pusd
    if not set(by) & {*TIMES} and _has(period.before(), first_unix_s):
        before = spending(books, by, period.before(), where)
        for group, found in rows.items():
            found.previous_cost_pusd = before[group].cost_pusd if group in before else 0
    return list(rows.values())


def _has(before: Period, first_unix_s: int | None) -> bool:
    if first_unix_s is None:
        return False
    return first_unix_s - before.since_unix_s <= before.length_s // _MISSING_AT_MOST


def _chosen(rows: list[Row], by: Sequence[str], wishes: Wishes) -> tuple[list[Row], list[Row]]:
    is_time = by[0] in TIMES
    sort = wishes.sort or ("name" if is_time else "cost")
    top = wishes.top if wishes.top is not None else TOP_OF_TIMES if is_time else TOP
    # Equal ones stay in the order of their names.
    rows = sorted(rows, key=lambda found: [(name is None, name or "") for name in found.group])
    if sort != "name":
        rows.sort(key=lambda found: _worth(found, sort), reverse=True)
    return rows[:top], rows[top:]


def _worth(found: Row, sort: Sort) -> tuple[bool, int]:
    """What is known comes before what is not."""
    value = {
        "cost": found.cost_pusd,
        "revenue": found.revenue_pusd,
        "margin": found.margin_pusd,
        "requests": found.requests,
        "tokens": found.input_tokens() + found.output_tokens(),
        "change": found.change_permille,
    }[sort]
    return value is not None, value or 0


def _add_cost_per_session(books: Books, question: Question, rows: list[Row]) -> None:
    if not any(found.sessions for found in rows):
        return
    outside = _outside(books, question, question.by, rows)
    for found in rows:
        _divide(found, outside.get(found.group, 0))


def _set_cost_per_session(books: Books, question: Question, total: Row) -> None:
    if total.sessions:
        _divide(total, sum(_outside(books, question, (), [total]).values()))


def _outside(books: Books, question: Question, by: Sequence[str], rows: Sequence[Row]) -> Mapping[Group, int]:
    """What requests without a session cost, where that can be told in good time."""
    if any(found.sessions_are_estimated for found in rows) or "session" in question.where:
        return {}
    where = {**question.where, "session": [None]}
    return {group: each.cost_pusd for group, each in spending(books, by, question.period, where).items()}


def _divide(found: Row, outside_pusd: int) -> None:
    if found.sessions and found.cost_pusd is not None:
        found.cost_per_session_pusd = divided(found.cost_pusd - outside_pusd, found.sessions)


def _add_trends(
    books: Books, question: Question, most: int, rows: tuple[list[Row], list[Row], Row]
) -> list[int]:
    """Give a trend to the rows shown and the total; where the trend's parts begin."""
    shown, rest, total = rows
    parts = trend.parts(question.period, question.by, most)
    trends = trend.trends(books, question, [found.group for found in shown], parts)
    for found in shown:
        found.trend_pusd = trends[found.group]
    total.trend_pusd = (
        trend.trends(books, msgspec.structs.replace(question, by=()), [()], parts)[()]
        if rest
        else [sum(costs) for costs in zip(*trends.values(), strict=True)] or [0] * len(parts.begins)
    )
    return parts.begins


def _anomalies(books: Books, question: Question, now_unix_s: int) -> tuple[list[Anomaly], int, int]:
    """Unusual days, the newest first; how many features were judged, and how many could not be."""
    period, where = question.period, question.where
    whole = [
        day
        for day in period.days()
        if period.since_unix_s <= starts(day, period.zone)
        and starts(day + timedelta(days=1), period.zone) <= min(period.until_unix_s, now_unix_s)
    ][-DAYS_JUDGED:]
    first = whole[0] if whole else period.day(period.since_unix_s)
    since_s = starts(first - timedelta(days=HISTORY_DAYS), period.zone)
    history = Period(since_s, period.until_unix_s, period.time_zone)
    by_feature = daily(books, ("feature",), history, where)
    dearest = sorted(by_feature.items(), key=lambda entry: -sum(entry[1].values()))[:MOST_JUDGED]
    found: list[Anomaly] = []
    judged = 0
    for (feature,), costs in dearest:
        anomalies = unusual(History(feature, min(costs), costs), whole)
        if anomalies is not None:
            judged += 1
            found += anomalies
    found.sort(key=lambda anomaly: (anomaly.day, abs(anomaly.score_permille)), reverse=True)
    return found, judged, len(dearest) - judged


def _notes(question: Question, sources: Sources, total: Row, span: tuple[int, int] | None) -> list[str]:
    if span is None:
        return ["the ledger is empty: `fastgate ledger load` fills it from the spool"]
    notes = []
    if not total.requests and not total.attempts:
        first, last = (rfc3339(moment // 1_000_000) for moment in span)
        notes.append(f"nothing was asked for in this period; the ledger goes from {first} to {last}")
    if total.unknown_cost_attempts:
        number = total.unknown_cost_attempts
        attempts = "1 attempt has" if number == 1 else f"{number:,} attempts have"
        notes.append(f"{attempts} no known price, so no cost has them in it: docs/prices.md")
    if total.sessions_are_estimated:
        notes.append("sessions are estimated from a sample; their cost has requests without a session in it")
    if is_import_left_out(sources.imported, question):
        notes.append("imported revenue is left out: a filter tells nothing about whose it is")
    return notes
