"""Questions to the ledger in a report's words: any dimensions, days and months of a zone, names to keep."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar, get_args

import msgspec

from fastgate.billing.reports.periods import Period
from fastgate.billing.reports.revenue import Group
from fastgate.errors import FastgateError

if TYPE_CHECKING:
    from fastgate.billing.ledger import Dimension, Grain, Point, Spending, Summary
    from fastgate.billing.ledger.summary import Sums

    _Names: TypeAlias = Mapping[Dimension, Sequence[str | None]]

By: TypeAlias = Literal[
    "feature", "tenant", "user", "model", "session", "key", "deployment", "provider", "day", "month"
]
BY: tuple[By, ...] = get_args(By)
"""What a report can be by."""
TIMES: tuple[By, ...] = ("day", "month")
FILTERS: tuple[By, ...] = tuple(name for name in BY if name not in TIMES)
Where: TypeAlias = Mapping[str, Sequence[str | None]]
_Found = TypeVar("_Found")


class Books(Protocol):
    """What reports ask of `ledger.Ledger`."""

    def span(self) -> tuple[int, int] | None: ...
    def summary(
        self, by: "Sequence[Dimension]", since_unix_s: int, until_unix_s: int, where: "_Names | None" = None
    ) -> "list[Summary]": ...
    def series(
        self,
        by: "Sequence[Dimension]",
        step: "Grain",
        since_unix_s: int,
        until_unix_s: int,
        where: "_Names | None" = None,
        *,
        zone: tzinfo = ...,
    ) -> "list[Point[Summary]]": ...
    def spending(
        self, by: "Sequence[Dimension]", since_unix_s: int, until_unix_s: int, where: "_Names | None" = None
    ) -> "list[Spending]": ...
    def spending_series(
        self,
        by: "Sequence[Dimension]",
        step: "Grain",
        since_unix_s: int,
        until_unix_s: int,
        where: "_Names | None" = None,
        *,
        zone: tzinfo = ...,
    ) -> "list[Point[Spending]]": ...
    def session_count(
        self, since_unix_s: int, until_unix_s: int, where: "_Names | None" = None
    ) -> tuple[int | None, bool]: ...


class Remembering:
    """Books that look up a question once, however often it is asked while a report is made.

    What it gives is not to be changed.
    """

    def __init__(self, books: Books) -> None:
        self._books = books
        self._found: dict[object, Any] = {}

    def span(self) -> tuple[int, int] | None:
        """As `Ledger.span`."""
        return self._books.span()

    def summary(
        self, by: "Sequence[Dimension]", since_unix_s: int, until_unix_s: int, where: "_Names | None" = None
    ) -> "list[Summary]":
        """As `Ledger.summary`."""
        key = ("summary", tuple(by), since_unix_s, until_unix_s, _frozen(where))
        return self._once(key, lambda: self._books.summary(by, since_unix_s, until_unix_s, where))

    def series(
        self,
        by: "Sequence[Dimension]",
        step: "Grain",
        since_unix_s: int,
        until_unix_s: int,
        where: "_Names | None" = None,
        *,
        zone: tzinfo = UTC,
    ) -> "list[Point[Summary]]":
        """As `Ledger.series`."""
        key = ("summary", tuple(by), since_unix_s, until_unix_s, _frozen(where), step, zone)
        return self._once(
            key, lambda: self._books.series(by, step, since_unix_s, until_unix_s, where, zone=zone)
        )

    def spending(
        self, by: "Sequence[Dimension]", since_unix_s: int, until_unix_s: int, where: "_Names | None" = None
    ) -> "list[Spending]":
        """As `Ledger.spending`."""
        key = (tuple(by), since_unix_s, until_unix_s, _frozen(where))
        whole: list[Summary] | None = self._found.get(("summary", *key))
        if whole is not None:
            return [summary.spending() for summary in whole]
        return self._once(
            ("spending", *key), lambda: self._books.spending(by, since_unix_s, until_unix_s, where)
        )

    def spending_series(
        self,
        by: "Sequence[Dimension]",
        step: "Grain",
        since_unix_s: int,
        until_unix_s: int,
        where: "_Names | None" = None,
        *,
        zone: tzinfo = UTC,
    ) -> "list[Point[Spending]]":
        """As `Ledger.spending_series`."""
        key = ("spending", tuple(by), since_unix_s, until_unix_s, _frozen(where), step, zone)
        return self._once(
            key, lambda: self._books.spending_series(by, step, since_unix_s, until_unix_s, where, zone=zone)
        )

    def session_count(
        self, since_unix_s: int, until_unix_s: int, where: "_Names | None" = None
    ) -> tuple[int | None, bool]:
        """As `Ledger.session_count`."""
        return self._books.session_count(since_unix_s, until_unix_s, where)

    def _once(self, key: object, ask: Callable[[], _Found]) -> _Found:
        if key not in self._found:
            self._found[key] = ask()
        found: _Found = self._found[key]
        return found


class Question(msgspec.Struct, frozen=True):
    """What a report is about."""

    by: tuple[By, ...]
    period: Period
    where: Where = {}


class UnfitQuestion(FastgateError):
    """A report that can't be made."""

    status = 400
    code = "unfit_report"


def dimensions(text: str) -> tuple[By, ...]:
    """Names separated by commas.

    Raises:
        UnfitQuestion: One is unknown or there twice, or there is none.
    """
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in BY:
            raise UnfitQuestion(f"a report can be by {', '.join(BY)}; not by {name[:40]!r}")
    if len(set(names)) < len(names):
        raise UnfitQuestion(f"a dimension is there twice: {text}")
    if {"day", "month"} <= set(names):
        raise UnfitQuestion("a report is by day or by month, not both")
    return tuple(msgspec.convert(names, list[By]))


def used(books: Books, by: Sequence[str], period: Period, where: Where) -> "dict[Group, Summary]":
    """Sums for every combination of values of `by`, in its order; days and months are those of the zone."""
    return _by_group(books.summary, books.series, by, period, where)


def spending(books: Books, by: Sequence[str], period: Period, where: Where) -> "dict[Group, Spending]":
    """The same of cost alone."""
    return _by_group(books.spending, books.spending_series, by, period, where)


def _by_group(
    summary: "Callable[..., list[Sums]]",
    series: "Callable[..., list[Point[Sums]]]",
    by: Sequence[str],
    period: Period,
    where: Where,
) -> "dict[Group, Sums]":
    named = [name for name in by if name not in TIMES]
    step = next((name for name in by if name in TIMES), None)
    bounds = period.since_unix_s, period.until_unix_s
    if step is None:
        return {sums.group: sums for sums in summary(named, *bounds, where)}
    place = list(by).index(step)
    found: dict[Group, Sums] = {}
    for point in series(named, step, *bounds, where, zone=_zone(period)):
        sums = point.summary
        values = list(sums.group)
        values.insert(place, _time(step, point.start_unix_s, period))
        found[tuple(values)] = sums
    return found


def points(
    books: Books, by: Sequence[str], step: "Grain", period: Period, where: Where
) -> Iterator[tuple[Group, int, int]]:
    """What every group cost in each hour, day or month of the zone: group, start of the step, picodollars."""
    bounds = period.since_unix_s, period.until_unix_s
    for point in books.spending_series(by, step, *bounds, where, zone=_zone(period)):  # type: ignore[arg-type]
        yield point.summary.group, point.start_unix_s, point.summary.cost_pusd


def daily(books: Books, by: Sequence[str], period: Period, where: Where) -> dict[Group, dict[date, int]]:
    """What every group cost on each day of the zone; days without events are left out."""
    found: dict[Group, dict[date, int]] = {}
    for group, start_s, cost in points(books, by, "day", period, where):
        found.setdefault(group, {})[period.day(start_s)] = cost
    return found


def _frozen(where: Mapping[Any, Sequence[str | None]] | None) -> object:
    return tuple((name, tuple(values)) for name, values in sorted((where or {}).items()))


def _zone(period: Period) -> tzinfo:
    # The ledger keeps days of UTC ready; those of a zone it has to add up.
    return UTC if period.time_zone == "UTC" else period.zone


def _time(step: str, unix_s: int, period: Period) -> str:
    moment = datetime.fromtimestamp(unix_s, period.zone)
    return moment.strftime("%Y-%m" if step == "month" else "%Y-%m-%d")
