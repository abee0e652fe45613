"""What was earned: the operator's prices applied to what was used, divided over a report's groups.

A price is for a scope: a feature, tenant, model, or several of them. The most specific scope that fits a
request wins: more names before fewer, then a feature before a tenant before a model. All prices of that scope
hold (a monthly fee and one for each request add up); those of wider scopes do not.

Every price is worked out for the period as a whole and then divided, so what was earned does not depend on
how a report is cut. What is sold once and used in several groups (a session, a user's month) is divided by
their requests.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Literal, Protocol, TypeAlias

import msgspec

from fastgate.billing.money import divided
from fastgate.billing.reports.apportion import apportion
from fastgate.billing.reports.imported import Earned

Unit: TypeAlias = Literal["request", "session", "user_month", "1k_tokens"]
Group: TypeAlias = tuple[str | None, ...]
"""The values of a report's dimensions."""
Scope: TypeAlias = tuple[str | None, str | None, str | None]
"""Feature, tenant, model; None: any."""
Buyer: TypeAlias = tuple[str | None, str]
"""Tenant, and a session or user of it."""


class Entry(Protocol):
    """What is asked of an entry of `billing.revenue`."""

    @property
    def feature(self) -> str | None: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def model(self) -> str | None: ...
    @property
    def prices(self) -> Mapping[Unit, int]: ...


class Use(msgspec.Struct, frozen=True):
    """What one group used of one feature, tenant and model."""

    scope: Scope
    group: Group
    requests: int
    tokens: int = 0
    buyer: Buyer | None = None
    """Who bought it, where a unit is sold once to somebody."""


class Prices:
    """The prices of a configuration, by scope. Two of one scope and unit add up."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_scope: dict[Scope, dict[Unit, int]] = {}
        for entry in entries:
            prices = self._by_scope.setdefault((entry.feature, entry.tenant, entry.model), {})
            for unit, amount_pusd in entry.prices.items():
                prices[unit] = prices.get(unit, 0) + amount_pusd
        self._scopes = sorted(self._by_scope, key=_breadth)
        self._found: dict[Scope, Scope | None] = {}

    def __bool__(self) -> bool:
        return bool(self._scopes)

    def units(self) -> set[Unit]:
        """What is sold."""
        return {unit for prices in self._by_scope.values() for unit in prices}

    def names(self) -> set[str]:
        """Which of feature, tenant and model they name."""
        places = zip(("feature", "tenant", "model"), zip(*self._scopes, strict=True), strict=False)
        return {name for name, values in places if any(value is not None for value in values)}

    def winning(self, used: Scope) -> Scope | None:
        """The scope whose prices a request falls under; None if it is under none."""
        if used not in self._found:
            self._found[used] = next((scope for scope in self._scopes if _fits(scope, used)), None)
        return self._found[used]

    def amount(self, scope: Scope, unit: Unit) -> int | None:
        """What one unit costs in this scope, in picodollars; None if it has no such price."""
        return self._by_scope[scope].get(unit)


class Revenue:
    """What every group earned, in picodollars. A group that no price is for is not in `by_group`."""

    def __init__(self) -> None:
        self.by_group: dict[Group, int] = {}

    def add(self, group: Group, pusd: int) -> None:
        """Put it on a group's account."""
        self.by_group[group] = self.by_group.get(group, 0) + pusd

    def divide(self, pusd: int, over: Mapping[Group, int]) -> None:
        """Divide an amount by weights; over at least one group."""
        # Which group gets a rest of a picodollar must not depend on the order of the ledger's rows.
        groups = sorted(over, key=lambda group: [(name is None, name or "") for name in group])
        for group, part in zip(groups, apportion(pusd, [over[group] for group in groups]), strict=True):
            self.add(group, part)


def add_metered(revenue: Revenue, prices: Prices, used: Iterable[Use]) -> None:
    """What is sold by the request and by the thousand tokens."""
    requests: dict[Scope, dict[Group, int]] = defaultdict(lambda: defaultdict(int))
    tokens: dict[Scope, dict[Group, int]] = defaultdict(lambda: defaultdict(int))
    for use in used:
        scope = prices.winning(use.scope)
        if scope is not None:
            requests[scope][use.group] += use.requests
            tokens[scope][use.group] += use.tokens
    for scope, groups in requests.items():
        if (amount := prices.amount(scope, "request")) is not None:
            for group, count in groups.items():
                revenue.add(group, amount * count)
        if (amount := prices.amount(scope, "1k_tokens")) is not None:
            total = divided(amount * sum(tokens[scope].values()), 1000)
            revenue.divide(total, tokens[scope])


def add_sold_once(
    revenue: Revenue,
    prices: Prices,
    used: Iterable[Use],
    unit: Literal["session", "user_month"],
    share: tuple[int, int] = (1, 1),
) -> None:
    """What is sold once to a session, or to a user for a month.

    Args:
        revenue: What it is added to.
        prices: The prices.
        used: What these buyers used; without a buyer nothing is sold.
        unit: Which prices.
        share: Numerator and denominator of the part of a unit that falls into the period.
    """
    part, whole = share
    buyers: dict[tuple[int, Scope, Buyer], dict[Group, int]] = defaultdict(lambda: defaultdict(int))
    for use in used:
        scope = prices.winning(use.scope)
        amount = None if scope is None else prices.amount(scope, unit)
        if scope is None or amount is None:
            continue
        if use.buyer is None:
            # Under a price, and nothing earned: that is known, not unknown.
            revenue.add(use.group, 0)
        else:
            buyers[divided(amount * part, whole), scope, use.buyer][use.group] += use.requests
    for (amount, _, _), groups in buyers.items():
        revenue.divide(amount, groups)


def add_imported(revenue: Revenue, earned: Iterable[Earned], used: Iterable[Use], by: Sequence[str]) -> None:
    """What was imported, divided over the groups that used the feature of the tenant, by their requests.

    Args:
        revenue: What it is added to.
        earned: The imports of the period.
        used: What was used, grouped by `by`.
        by: The report's dimensions. What nobody used gets a group of its own, with what the import names.
    """
    sums: dict[tuple[str | None, str | None, str | None], int] = defaultdict(int)
    for entry in earned:
        sums[entry.date if "day" in by else None, entry.feature, entry.tenant] += entry.pusd
    weights: dict[tuple[str | None, str | None, str | None], dict[Group, int]] = {key: {} for key in sums}
    for use in used:
        day = use.group[by.index("day")] if "day" in by else None
        for feature, tenant in product({use.scope[0], None}, {use.scope[1], None}):
            if (groups := weights.get((day, feature, tenant))) is not None:
                groups[use.group] = groups.get(use.group, 0) + use.requests
    for (day, feature, tenant), pusd in sums.items():
        named = {"day": day, "feature": feature, "tenant": tenant}
        nobody: dict[Group, int] = {tuple(named.get(name) for name in by): 1}
        revenue.divide(pusd, weights[day, feature, tenant] or nobody)


def _fits(scope: Sequence[str | None], used: Sequence[str | None]) -> bool:
    return all(wanted is None or wanted == name for wanted, name in zip(scope, used, strict=True))


def _breadth(scope: Scope) -> tuple[int, tuple[bool, ...]]:
    unnamed = tuple(name is None for name in scope)
    return sum(unnamed), unnamed
