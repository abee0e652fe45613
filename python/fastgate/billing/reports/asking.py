"""From what somebody asks for, as text, to a report: the command and the admin API ask the same way."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fastgate.billing.reports import imported
from fastgate.billing.reports.budgets import known
from fastgate.billing.reports.periods import period
from fastgate.billing.reports.query import FILTERS, Books, Question, UnfitQuestion, dimensions
from fastgate.billing.reports.report import SORTS, Report, Sources, Wishes, report
from fastgate.billing.reports.revenue import Prices
from fastgate.billing.reports.waste import DEBUG_FEATURES

if TYPE_CHECKING:
    from fastgate.config import Config

MOST_TOP = 100_000
MOST_PARTS = 10
DEFAULT_BY, DEFAULT_SINCE, DEFAULT_ZONE = "feature", "30d", "UTC"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; every part as it was written."""

    by: str = DEFAULT_BY
    since: str = DEFAULT_SINCE
    until: str | None = None
    time_zone: str = DEFAULT_ZONE
    where: Mapping[str, Sequence[str]] = {}
    """Names that count, by dimension; an empty one stands for requests that name nothing."""
    sort: str | None = None
    top: str | None = None
    debug_features: str = ",".join(DEBUG_FEATURES)
    parts: int = MOST_PARTS


def question(asked: Asked, now_unix_s: int) -> Question:
    """What the report is about.

    Raises:
        UnfitQuestion: A dimension is unknown.
        UnfitPeriod: The time can't be understood.
    """
    for name in asked.where:
        if name not in FILTERS:
            raise UnfitQuestion(f"a report can be of one {', '.join(FILTERS)}; not of one {name[:40]!r}")
    where = {name: [value or None for value in values] for name, values in asked.where.items() if values}
    return Question(
        dimensions(asked.by), period(asked.since, asked.until, asked.time_zone, now_unix_s), where
    )


def wishes(asked: Asked) -> Wishes:
    """How the report is made.

    Raises:
        UnfitQuestion: There is no such order, or no such number of rows.
    """
    sort = next((name for name in SORTS if name == asked.sort), None)
    if asked.sort is not None and sort is None:
        raise UnfitQuestion(f"a report is sorted by {', '.join(SORTS)}; not by {asked.sort[:40]!r}")
    top = None
    if asked.top is not None:
        digits = asked.top if asked.top.isascii() and asked.top.isdigit() and len(asked.top) < 7 else "0"
        top = int(digits)
        if not 1 <= top <= MOST_TOP:
            raise UnfitQuestion(f"the rows shown are a number from 1 to {MOST_TOP}, not {asked.top[:40]!r}")
    patterns = [each.strip() for each in asked.debug_features.split(",") if each.strip()]
    return Wishes(sort=sort, top=top, debug_features=patterns, parts=asked.parts)


def sources(state_dir: Path, config: "Config | None") -> Sources:
    """Prices and budgets of a configuration, and what was imported.

    Raises:
        RevenueUnreadable: The imports are damaged.
    """
    earned = imported.read(state_dir)
    if config is None:
        return Sources(Prices(()), earned)
    from fastgate.config.compilation import tables

    return Sources(Prices(config.settings.billing.revenue), earned, known(tables(config)))


def make(asked: Asked, books: Books, found: Sources, now_unix_s: int) -> Report:
    """The report that is asked for.

    Raises:
        FastgateError: It can't be made, for one of the reasons above, or because of the ledger.
    """
    return report(books, question(asked, now_unix_s), wishes(asked), found, now_unix_s)
