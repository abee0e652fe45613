"""How a cost went over a period: sums of a few equal parts of it."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

import msgspec

from fastgate.billing.reports.periods import DAY_S, HOUR_S, Period, starts
from fastgate.billing.reports.query import Books, Question, points
from fastgate.billing.reports.revenue import Group

# Shorter periods go by the hour, longer ones by the month: a year of days takes a second to add up.
_LEAST_DAYS_S, _MOST_DAYS_S = 4 * DAY_S, 150 * DAY_S
# The ledger has hourly sums by these only.
_HOURLY = {"feature", "tenant", "model", "key", "deployment", "provider"}
# Beyond, asking for the names costs more than leaving out what is not wanted.
_NAMES_ASKED = 500


class Parts(msgspec.Struct, frozen=True):
    """Equal parts of a period."""

    step: Literal["hour", "day", "month"]
    begins: list[int]
    """Where each part begins, in Unix seconds."""


def parts(period: Period, by: Sequence[str], most: int) -> Parts:
    """At most `most` parts of whole hours, days or months, as many in each, bar the first and last."""
    if period.length_s < _LEAST_DAYS_S and set(by) <= _HOURLY:
        first_s = period.since_unix_s // HOUR_S * HOUR_S
        hours = list(range(first_s, period.until_unix_s, HOUR_S))
        return Parts("hour", hours[:: -(-len(hours) // most)])
    if period.length_s > _MOST_DAYS_S:
        months = [part.since_unix_s for part, _ in period.months()]
        return Parts("month", months[:: -(-len(months) // most)])
    days = period.days()
    return Parts("day", [starts(day, period.zone) for day in days[:: -(-len(days) // most)]])


def trends(books: Books, question: Question, groups: Sequence[Group], parts: Parts) -> dict[Group, list[int]]:
    """Costs of the parts, for these groups; all zero where nothing was spent."""
    found = {group: [0] * len(parts.begins) for group in groups}
    where = dict(question.where)
    if len(groups) <= _NAMES_ASKED:
        for place, name in enumerate(question.by):
            where[name] = list(dict.fromkeys(group[place] for group in groups))
    for group, start_s, cost in points(books, question.by, parts.step, question.period, where):
        if group in found:
            found[group][max(0, bisect_right(parts.begins, start_s) - 1)] += cost
    return found
