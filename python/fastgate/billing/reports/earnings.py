"""Which questions revenue needs answered, and the answers put on the groups of a report.

The ledger is asked by what prices name besides what the report is by: a report by model of features that have
prices needs both.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from fastgate.billing.reports.imported import Earned
from fastgate.billing.reports.query import Books, Question, used
from fastgate.billing.reports.revenue import (
    Group,
    Prices,
    Revenue,
    Use,
    add_imported,
    add_metered,
    add_sold_once,
)
from fastgate.billing.reports.rows import TOKENS

if TYPE_CHECKING:
    from fastgate.billing.ledger import Summary

# What imports name: a filter by anything else tells nothing about them.
IMPORTED_BY = ("feature", "tenant")


def earnings(
    books: Books, question: Question, prices: Prices, imported: Sequence[Earned]
) -> dict[Group, int]:
    """Picodollars by group; groups that are under no price and no import are left out."""
    revenue, period = Revenue(), question.period
    units = prices.units()
    named = [name for name in ("feature", "tenant", "model") if name in prices.names()]
    if units & {"request", "1k_tokens"}:
        add_metered(revenue, prices, _uses(books, question, named))
    if "session" in units:
        add_sold_once(revenue, prices, _uses(books, question, named, "session"), "session")
    if "user_month" in units:
        for part, month_s in period.months():
            uses = _uses(books, msgspec.structs.replace(question, period=part), named, "user")
            add_sold_once(revenue, prices, uses, "user_month", (part.length_s, month_s))
    if _can_tell_imports(question):
        counted = [entry for entry in imported if _is_within(entry, question)]
        if counted:
            add_imported(revenue, counted, _uses(books, question, IMPORTED_BY), question.by)
    return revenue.by_group


def is_import_left_out(imported: Sequence[Earned], question: Question) -> bool:
    """Whether there is imported revenue of which a filter makes it impossible to say whose it is."""
    return not _can_tell_imports(question) and any(_is_within(entry, question) for entry in imported)


def _uses(books: Books, question: Question, named: Sequence[str], buyer: str | None = None) -> Iterator[Use]:
    by = question.by
    buyers = ("tenant", buyer) if buyer else ()
    asked = list(dict.fromkeys((*by, *named, *buyers)))
    for values, summary in used(books, asked, question.period, question.where).items():
        value: Mapping[str, str | None] = dict(zip(asked, values, strict=True))
        who = value[buyer] if buyer else None
        yield Use(
            scope=(_if(named, value, "feature"), _if(named, value, "tenant"), _if(named, value, "model")),
            group=tuple(value[name] for name in by),
            requests=summary.requests,
            tokens=_tokens(summary),
            buyer=None if who is None else (value["tenant"], who),
        )


def _if(named: Sequence[str], value: Mapping[str, str | None], name: str) -> str | None:
    return value[name] if name in named else None


def _tokens(summary: "Summary") -> int:
    return sum(getattr(summary, name) for name in TOKENS)


def _can_tell_imports(question: Question) -> bool:
    return question.where.keys() <= {*IMPORTED_BY}


def _is_within(entry: Earned, question: Question) -> bool:
    period = question.period
    first, last = period.day(period.since_unix_s), period.day(period.until_unix_s - 1)
    own = {"feature": entry.feature, "tenant": entry.tenant}
    return first.isoformat() <= entry.date <= last.isoformat() and all(
        own[name] in names for name, names in question.where.items() if name in own
    )
