"""A ledger that is a list of events, added up one by one: slow, and plainly right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from fastgate.billing.ledger import Point, Spending, Summary


@dataclass(frozen=True)
class Event:
    """One attempt; the final one unless `failed`."""

    started_unix_s: int
    cost_pusd: int | None = 0
    tokens: Mapping[str, int] = field(default_factory=dict)
    failed: bool = False
    truncated: bool = False
    repeated: bool = False
    outcome: str = "answered"
    saved_pusd: int = 0
    names: Mapping[str, str | None] = field(default_factory=dict)

    def value(self, dimension: str) -> str | None:
        if dimension == "outcome":
            return "attempt_failed" if self.failed else self.outcome
        return self.names.get(dimension)


class ExactBooks:
    """What `ledger.Ledger` answers, from a list of events."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = list(events)

    def span(self) -> tuple[int, int] | None:
        moments = [event.started_unix_s * 1_000_000 for event in self.events]
        return (min(moments), max(moments)) if moments else None

    def summary(
        self,
        by: Sequence[Any],
        since_unix_s: int,
        until_unix_s: int,
        where: Mapping[Any, Sequence[str | None]] | None = None,
    ) -> list[Summary]:
        groups: dict[tuple[str | None, ...], list[Event]] = {}
        for event in self.events:
            if not since_unix_s <= event.started_unix_s < until_unix_s:
                continue
            if all(event.value(name) in values for name, values in (where or {}).items()):
                groups.setdefault(tuple(event.value(name) for name in by), []).append(event)
        return [summed(group, events) for group, events in groups.items()]

    def series(
        self,
        by: Sequence[Any],
        step: str,
        since_unix_s: int,
        until_unix_s: int,
        where: Mapping[Any, Sequence[str | None]] | None = None,
        *,
        zone: tzinfo = UTC,
    ) -> list[Point[Summary]]:
        inside = [e.started_unix_s for e in self.events if since_unix_s <= e.started_unix_s < until_unix_s]
        bounds = sorted({start_of(step, moment, zone) for moment in inside})
        found = []
        for start in bounds:
            end = next_start(step, start, zone)
            begin, stop = max(start, since_unix_s), min(end, until_unix_s)
            found += [Point(start, each) for each in self.summary(by, begin, stop, where)]
        return found

    def spending(
        self,
        by: Sequence[Any],
        since_unix_s: int,
        until_unix_s: int,
        where: Mapping[Any, Sequence[str | None]] | None = None,
    ) -> list[Spending]:
        return [each.spending() for each in self.summary(by, since_unix_s, until_unix_s, where)]

    def spending_series(
        self,
        by: Sequence[Any],
        step: str,
        since_unix_s: int,
        until_unix_s: int,
        where: Mapping[Any, Sequence[str | None]] | None = None,
        *,
        zone: tzinfo = UTC,
    ) -> list[Point[Spending]]:
        points = self.series(by, step, since_unix_s, until_unix_s, where, zone=zone)
        return [Point(point.start_unix_s, point.summary.spending()) for point in points]

    def session_count(
        self,
        since_unix_s: int,
        until_unix_s: int,
        where: Mapping[Any, Sequence[str | None]] | None = None,
    ) -> tuple[int | None, bool]:
        for each in self.summary((), since_unix_s, until_unix_s, where):
            return each.sessions, each.is_sessions_estimated
        return 0, False


def start_of(step: str, unix_s: int, zone: tzinfo) -> int:
    if step == "hour":
        return unix_s // 3600 * 3600
    local = datetime.fromtimestamp(unix_s, zone)
    day = 1 if step == "month" else local.day
    return int(datetime(local.year, local.month, day, tzinfo=zone).timestamp())


def next_start(step: str, start: int, zone: tzinfo) -> int:
    if step == "hour":
        return start + 3600
    local = datetime.fromtimestamp(start, zone).replace(tzinfo=None) + timedelta(
        days=40 if step == "month" else 1, hours=2
    )
    day = 1 if step == "month" else local.day
    return int(datetime(local.year, local.month, day, tzinfo=zone).timestamp())


def summed(group: tuple[str | None, ...], events: Sequence[Event]) -> Summary:
    found = Summary(group=group)
    sessions = set()
    for event in events:
        cost = event.cost_pusd or 0
        found.attempts += 1
        found.cost_pusd += cost
        found.list_cost_pusd += cost
        found.unknown_cost_requests += event.cost_pusd is None
        found.saved_pusd += event.saved_pusd
        if event.failed:
            found.failed_attempts += 1
            found.failed_attempts_cost_pusd += cost
        else:
            found.requests += 1
            found.failed_requests += event.outcome != "answered"
            if event.outcome != "answered" and cost:
                found.unanswered_requests += 1
                found.unanswered_cost_pusd += cost
            found.truncated_requests += event.truncated
            found.repeated_requests += event.repeated
        if event.truncated:
            found.truncated_cost_pusd += cost
        if event.repeated:
            found.repeated_cost_pusd += cost
        for name, count in event.tokens.items():
            setattr(found, name, getattr(found, name) + count)
        if event.value("session") is not None:
            sessions.add((event.value("tenant"), event.value("session")))
    found.sessions = len(sessions)
    return found
