"""Money that brought little: by class, for a whole report. One request can be in several classes."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import msgspec

from fastgate.billing.money import permille
from fastgate.billing.reports.query import Books, Question, spending
from fastgate.billing.reports.rows import Row

DEBUG_FEATURES = ("debug", "test", "playground")
Kind: TypeAlias = Literal[
    "failed_attempts", "unanswered_requests", "truncated_answers", "repeated_prompts", "debug_features"
]


class Waste(msgspec.Struct, frozen=True):
    """What one class of waste cost."""

    kind: Kind
    count: int
    """Attempts of `failed_attempts`, else requests."""
    cost_pusd: int
    share_permille: int | None
    """Of the report's cost; None where that is nothing."""
    names: list[str] = []
    """The debug features."""


def waste(books: Books, total: Row, question: Question, debug_features: Sequence[str]) -> list[Waste]:
    """Every class, also those that cost nothing.

    Args:
        books: The ledger.
        total: The report's total.
        question: What it is about.
        debug_features: Patterns as of a shell (`*`, `?`, `[…]`); upper and lower case are the same.
    """
    found = [_waste(total, "failed_attempts", total.failed_attempts, total.failed_attempts_cost_pusd)]
    found.append(_waste(total, "unanswered_requests", total.unanswered_requests, total.unanswered_cost_pusd))
    found.append(_waste(total, "truncated_answers", total.truncated_requests, total.truncated_cost_pusd))
    found.append(_waste(total, "repeated_prompts", total.repeated_requests, total.repeated_cost_pusd))
    found.append(_debug(books, total, question, debug_features))
    return found


def is_debug(feature: str | None, patterns: Sequence[str]) -> bool:
    """Whether a feature is only used to try things out."""
    return feature is not None and any(fnmatchcase(feature.lower(), each.lower()) for each in patterns)


def _debug(books: Books, total: Row, question: Question, patterns: Sequence[str]) -> Waste:
    count, cost, names = 0, 0, []
    for (feature,), sums in spending(books, ("feature",), question.period, question.where).items():
        if feature is not None and is_debug(feature, patterns):
            count, cost = count + sums.requests, cost + sums.cost_pusd
            names.append(feature)
    return _waste(total, "debug_features", count, cost, sorted(names))


def _waste(total: Row, kind: Kind, count: int, cost: int, names: Sequence[str] = ()) -> Waste:
    return Waste(kind, count, cost, permille(cost, total.cost_pusd or 0), list(names))
