"""What a drill did: its exchanges beside others of the same models, from the records of both.

A model's exchanges are compared with the first of these that has any: the same traffic (tenants, features)
at the same time without the drill; other traffic at the same time; the same traffic before the drill, for as
long as the drill took. Money is picodollars, times are microseconds, shares thousandths.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from fastgate.drills.distribution import Distribution
from fastgate.drills.drill import Drill

# Names are clients': beyond so many models the rest are one.
MODELS = 500
OTHER_MODELS = "(other models)"
REQUEST_IDS_SHOWN = 5
# The reason of attempts at which nothing was sent: the drill played a failure.
FORCED = "drill"

SAME_TRAFFIC = "the same traffic at the same time"
OTHER_TRAFFIC = "other traffic at the same time"
BEFORE = "the same traffic before"


class Tried(msgspec.Struct, frozen=True):
    """An attempt that came to nothing, as far as it matters here."""

    deployment: str
    reason: str


class Record(msgspec.Struct, frozen=True):
    """A record (docs/records.md), as far as it matters here."""

    id: str
    started_unix_us: int
    outcome: str
    fault: str
    # None of an exchange that its gateway died in.
    total_us: int = 0
    tenant: str | None = None
    feature: str | None = None
    model: str | None = None
    deployment: str | None = None
    cost_pusd: int | None = None
    first_content_us: int | None = None
    drill: str | None = None
    trail: tuple[Tried, ...] = ()


class Typed(msgspec.Struct, frozen=True):
    """A record of something else than an exchange: money held for one, or a correction."""

    type: str


@dataclass
class Side:
    """Exchanges added up."""

    exchanges: int = 0
    answered: int = 0
    others_doing: int = 0
    """Left by their clients, wrong, or against a policy: neither answered nor failed."""
    failures: dict[str, int] = field(default_factory=dict)
    total_us: Distribution = field(default_factory=Distribution)
    first_content_us: Distribution = field(default_factory=Distribution)
    cost_pusd: int = 0
    costs_known: int = 0

    def add(self, record: Record) -> None:
        """Count one exchange. Times are those of answers only: a quick refusal is no quick answer."""
        self.exchanges += 1
        if record.cost_pusd is not None:
            self.cost_pusd += record.cost_pusd
            self.costs_known += 1
        if record.outcome == "answered":
            self.answered += 1
            self.total_us.add(record.total_us)
            if record.first_content_us is not None:
                self.first_content_us.add(record.first_content_us)
        elif record.fault in ("caller", "policy"):
            self.others_doing += 1
        else:
            self.failures[record.outcome] = self.failures.get(record.outcome, 0) + 1

    def shown(self) -> dict[str, Any]:
        """As the report has it."""
        judged = self.exchanges - self.others_doing
        return {
            "exchanges": self.exchanges,
            "answered": self.answered,
            "not_judged": self.others_doing,
            "answered_permille": self.answered * 1000 // judged if judged else None,
            "failures": dict(sorted(self.failures.items(), key=lambda entry: -entry[1])),
            "total_p50_us": self.total_us.percentile(50),
            "total_p99_us": self.total_us.percentile(99),
            "first_content_p50_us": self.first_content_us.percentile(50),
            "cost_pusd": self.cost_pusd,
            "costs_known": self.costs_known,
            "cost_per_exchange_pusd": self.cost_pusd // self.costs_known if self.costs_known else None,
        }


@dataclass
class _Model:
    """One model's exchanges, and those that may be compared with them."""

    drilled: Side = field(default_factory=Side)
    same_traffic: Side = field(default_factory=Side)
    other_traffic: Side = field(default_factory=Side)
    before: Side = field(default_factory=Side)

    def baseline(self) -> tuple[str, Side] | None:
        candidates = (
            (SAME_TRAFFIC, self.same_traffic),
            (OTHER_TRAFFIC, self.other_traffic),
            (BEFORE, self.before),
        )
        return next(((name, side) for name, side in candidates if side.exchanges), None)


@dataclass
class _Fallback:
    exchanges: int = 0
    answered: int = 0


@dataclass
class _Broken:
    fault: str
    exchanges: int = 0
    request_ids: list[str] = field(default_factory=list)


class Comparison:
    """Takes records, in any order, and tells what the drill did.

    Args:
        drill: The drill.
        ended_unix_ms: When it was over, or now.
    """

    def __init__(self, drill: Drill, ended_unix_ms: int) -> None:
        self._drill = drill
        self._start_us = drill.starts_unix_ms * 1000
        self._end_us = ended_unix_ms * 1000
        self.since_us = self._start_us - (self._end_us - self._start_us)
        """Records from before are not looked at."""
        self._models: dict[str, _Model] = {}
        self._fallbacks: dict[tuple[str, str | None], _Fallback] = {}
        self._broken: dict[str, _Broken] = {}
        self._forced = 0

    def add(self, record: Record) -> None:
        """Sort one record in."""
        if record.drill == self._drill.id:
            if self._start_us <= record.started_unix_us:
                self._add_drilled(record)
        elif record.drill is None and record.model is not None:
            self._add_other(record)

    def shown(self) -> dict[str, Any]:
        """The report's figures."""
        drilled = {name: model for name, model in self._models.items() if model.drilled.exchanges}
        return {
            "forced": self._forced,
            "fallbacks": [
                {"from": start, "to": end, "exchanges": found.exchanges, "answered": found.answered}
                for (start, end), found in sorted(
                    self._fallbacks.items(), key=lambda entry: -entry[1].exchanges
                )
            ],
            "broke": [
                {
                    "outcome": outcome,
                    "fault": broken.fault,
                    "exchanges": broken.exchanges,
                    "request_ids": broken.request_ids,
                }
                for outcome, broken in sorted(self._broken.items(), key=lambda entry: -entry[1].exchanges)
            ],
            "models": [
                self._shown_model(name, model)
                for name, model in sorted(drilled.items(), key=lambda entry: -entry[1].drilled.exchanges)
            ],
        }

    def _add_drilled(self, record: Record) -> None:
        self._model(record.model or "(none)").drilled.add(record)
        is_answered = record.outcome == "answered"
        if not is_answered:
            broken = self._broken.setdefault(record.outcome, _Broken(record.fault))
            broken.exchanges += 1
            if len(broken.request_ids) < REQUEST_IDS_SHOWN:
                broken.request_ids.append(record.id)
        forced = [tried.deployment for tried in record.trail if tried.reason == FORCED]
        if forced:
            self._forced += 1
            # The one tried last was called, unless it was kept from being called too.
            way = (forced[0], record.deployment if record.deployment not in forced else None)
            fallback = self._fallbacks.setdefault(way, _Fallback())
            fallback.exchanges += 1
            fallback.answered += is_answered

    def _add_other(self, record: Record) -> None:
        is_in_scope = _names(self._drill.tenants, record.tenant) and _names(
            self._drill.features, record.feature
        )
        if self._start_us <= record.started_unix_us < self._end_us:
            model = self._model(record.model or "")
            (model.same_traffic if is_in_scope else model.other_traffic).add(record)
        elif is_in_scope and self.since_us <= record.started_unix_us < self._start_us:
            self._model(record.model or "").before.add(record)

    def _model(self, name: str) -> _Model:
        model = self._models.get(name)
        if model is None:
            name = name if len(self._models) < MODELS else OTHER_MODELS
            model = self._models.setdefault(name, _Model())
        return model

    def _shown_model(self, name: str, model: _Model) -> dict[str, Any]:
        found = model.baseline()
        return {
            "model": name,
            "with": model.drilled.shown(),
            "without": found[1].shown() if found else None,
            "compared_with": found[0] if found else None,
        }


def _names(names: tuple[str, ...] | None, name: str | None) -> bool:
    return names is None or name in names
