"""Budgets: limits in USD per day, week or month; what they have cost so far, and what they will have cost.

What is reserved for requests under way is not in it: that is the running gateway's to say.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Literal, TypeAlias

import msgspec

from fastgate.billing.money import permille
from fastgate.billing.reports import forecast
from fastgate.billing.reports.anomalies import HISTORY_DAYS
from fastgate.billing.reports.periods import Period, starts, zone_of
from fastgate.billing.reports.query import Books, Where, daily, spending
from fastgate.billing.reports.revenue import Group

# Budgets that are told one by one, the most used first; further ones are counted.
MOST = 20
State: TypeAlias = Literal["ok", "warned", "will_be_spent", "spent"]


class Calendar(msgspec.Struct, frozen=True):
    """A period of the calendar."""

    period: Literal["day", "week", "month"]
    time_zone: str

    def around(self, now_unix_s: int) -> Period:
        """The period that a moment belongs to."""
        zone = zone_of(self.time_zone)
        today = Period(now_unix_s, now_unix_s + 1, self.time_zone).day(now_unix_s)
        if self.period == "day":
            first, following = today, today + timedelta(days=1)
        elif self.period == "week":
            first = today - timedelta(days=today.weekday())
            following = first + timedelta(days=7)
        else:
            first = today.replace(day=1)
            following = (first + timedelta(days=32)).replace(day=1)
        return Period(starts(first, zone), starts(following, zone), self.time_zone)


class Rule(msgspec.Struct, frozen=True):
    """A rule of the compiled configuration that limits money (`rust/core/src/tables/limits.rs`)."""

    name: str
    per: tuple[str, ...]
    where: dict[str, list[str | None]]
    amount_pusd: int
    key_amounts: dict[str, int]
    calendar: Calendar
    warn_permille: int | None
    is_hard: bool


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One identity's use of a rule in the period that is going on."""

    rule: str
    identity: dict[str, str | None]
    """Values of what the rule is per; empty for a rule that all share."""
    period: Literal["day", "week", "month"]
    since_unix_s: int
    until_unix_s: int
    time_zone: str
    is_hard: bool
    amount_pusd: int
    spent_pusd: int
    unknown_cost_attempts: int
    spent_permille: int | None
    linear_pusd: int | None
    """At the end, if it goes on as since the period's start."""
    by_weekday_pusd: int | None
    """At the end, if every weekday costs what it did in the last 28 days."""
    reached_unix_s: int | None
    """When it will be spent, by weekday where there is history, else linear."""
    state: State


class Known(msgspec.Struct, frozen=True):
    """What the configuration says of budgets."""

    rules: tuple[Rule, ...] = ()
    tiers: dict[str, str] = {}
    """Tier by tenant."""


def known(tables: Mapping[str, Any]) -> Known:
    """The budgets among the limits of a compiled configuration."""
    tenants = [tenant["id"] for tenant in tables["tenants"]]
    tiers = [tier["id"] for tier in tables["tiers"]]
    of_tenant = {
        tenant["id"]: tiers[tenant["tier"]] for tenant in tables["tenants"] if tenant["tier"] is not None
    }
    rules = []
    for limit in tables.get("limits", ()):
        window = limit["window"]
        if limit["resource"] == "usd" and isinstance(window, dict) and "calendar" in window:
            rules.append(_rule(limit, window["calendar"], tenants, tiers, of_tenant))
    return Known(tuple(rules), of_tenant)


def budgets(
    books: Books, known: Known, now_unix_s: int, where: Where | None = None, most: int = MOST
) -> tuple[list[Budget], int]:
    """The budgets in use, the most used first, and how many there are beyond `most`.

    Args:
        books: The ledger.
        known: The rules.
        now_unix_s: The time.
        where: Only of these names.
        most: How many are told.
    """
    spent: list[tuple[Rule, Group, _Spent]] = []
    for rule in known.rules:
        of_rule = _spent(books, rule, known, now_unix_s)
        if not rule.per and not of_rule:
            of_rule = {(): _Spent()}
        spent += [(rule, group, each) for group, each in of_rule.items() if _passes(rule, group, where or {})]
    spent.sort(key=lambda entry: (-_share(*entry), entry[0].name, [name or "" for name in entry[1]]))
    shown = spent[:most]
    span = books.span()
    first_s = now_unix_s if span is None else span[0] // 1_000_000
    found = []
    for rule in known.rules:
        groups = {group: each for of, group, each in shown if of is rule}
        if groups:
            history = _history(books, rule, known, groups, now_unix_s)
            found += [
                _budget(rule, group, each, _Past(first_s, history.get(group, {})), now_unix_s)
                for group, each in groups.items()
            ]
    order = {(rule.name, group): n for n, (rule, group, _) in enumerate(shown)}
    found.sort(key=lambda budget: order[budget.rule, tuple(budget.identity.values())])
    return found, len(spent) - len(shown)


class _Spent(msgspec.Struct):
    cost_pusd: int = 0
    unknown: int = 0


class _Past(msgspec.Struct):
    first_unix_s: int
    """When the ledger begins."""
    costs: Mapping[date, int]


def _rule(
    limit: Mapping[str, Any],
    calendar: Mapping[str, str],
    tenants: Sequence[str],
    tiers: Sequence[str],
    of_tenant: Mapping[str, str],
) -> Rule:
    when = {name: values for name, values in limit["when"].items() if values is not None}
    where: dict[str, list[str | None]] = {
        name: list(values) for name, values in when.items() if name not in ("tenant", "tier")
    }
    if "tenant" in when or "tier" in when:
        wanted_tiers = {tiers[index] for index in when["tier"]} if "tier" in when else None
        candidates = [tenants[index] for index in when.get("tenant", range(len(tenants)))]
        where["tenant"] = [
            name for name in candidates if wanted_tiers is None or of_tenant.get(name) in wanted_tiers
        ]
    return Rule(
        name=limit["name"],
        per=tuple(limit["per"]),
        where=where,
        amount_pusd=limit["amount"],
        key_amounts=dict(limit["key_amounts"]),
        calendar=msgspec.convert(calendar, Calendar),
        warn_permille=limit["warn_permille"],
        is_hard=limit["is_hard"],
    )


def _asked(rule: Rule) -> list[str]:
    """What the ledger is asked by: it knows no tiers, but tenants."""
    return list(dict.fromkeys("tenant" if name == "tier" else name for name in rule.per))


def _group(rule: Rule, known: Known, values: Group) -> Group | None:
    """The identity that values of `_asked` belong to; None if they have none of this rule's."""
    value = dict(zip(_asked(rule), values, strict=True))
    if "tier" in rule.per:
        value["tier"] = known.tiers.get(value["tenant"] or "")
    identity = tuple(value[name] for name in rule.per)
    return None if None in identity else identity


def _spent(books: Books, rule: Rule, known: Known, now_unix_s: int) -> dict[Group, _Spent]:
    whole = rule.calendar.around(now_unix_s)
    found: dict[Group, _Spent] = {}
    for values, summary in spending(books, _asked(rule), whole, rule.where).items():
        group = _group(rule, known, values)
        if group is not None:
            spent = found.setdefault(group, _Spent())
            spent.cost_pusd += summary.cost_pusd
            spent.unknown += summary.unknown_cost_requests
    return found


def _history(
    books: Books, rule: Rule, known: Known, groups: Mapping[Group, _Spent], now_unix_s: int
) -> dict[Group, dict[date, int]]:
    """Complete days of the last weeks, for these identities only."""
    whole = rule.calendar.around(now_unix_s)
    today = whole.day(now_unix_s)
    since_s = starts(today - timedelta(days=HISTORY_DAYS), whole.zone)
    past = Period(since_s, starts(today, whole.zone), whole.time_zone)
    where: dict[str, Sequence[str | None]] = dict(rule.where)
    for place, name in enumerate(rule.per):
        if name != "tier":
            where[name] = sorted({group[place] or "" for group in groups})
    found: dict[Group, dict[date, int]] = {}
    for values, costs in daily(books, _asked(rule), past, where).items():
        group = _group(rule, known, values)
        if group is not None and group in groups:
            sums = found.setdefault(group, {})
            for day, cost in costs.items():
                sums[day] = sums.get(day, 0) + cost
    return found


def _budget(rule: Rule, group: Group, spent: _Spent, past: _Past, now_unix_s: int) -> Budget:
    whole = rule.calendar.around(now_unix_s)
    amount = _amount(rule, group)
    linear = forecast.linear(spent.cost_pusd, past.first_unix_s, whole, now_unix_s)
    first_day = min(past.costs, default=whole.day(now_unix_s))
    weekly = forecast.by_weekday(past.costs, first_day, whole, now_unix_s)
    rest = linear if weekly is None else weekly
    reached = None if rest is None else forecast.reached_unix_s(spent.cost_pusd, amount, rest)
    return Budget(
        rule=rule.name,
        identity=dict(zip(rule.per, group, strict=True)),
        period=rule.calendar.period,
        since_unix_s=whole.since_unix_s,
        until_unix_s=whole.until_unix_s,
        time_zone=whole.time_zone,
        is_hard=rule.is_hard,
        amount_pusd=amount,
        spent_pusd=spent.cost_pusd,
        unknown_cost_attempts=spent.unknown,
        spent_permille=permille(spent.cost_pusd, amount),
        linear_pusd=None if linear is None else forecast.total(spent.cost_pusd, linear),
        by_weekday_pusd=None if weekly is None else forecast.total(spent.cost_pusd, weekly),
        reached_unix_s=reached,
        state=_state(rule, spent.cost_pusd, amount, reached),
    )


def _state(rule: Rule, spent_pusd: int, amount_pusd: int, reached: int | None) -> State:
    if spent_pusd >= amount_pusd:
        return "spent"
    if reached is not None:
        return "will_be_spent"
    if rule.warn_permille is not None and spent_pusd * 1000 >= amount_pusd * rule.warn_permille:
        return "warned"
    return "ok"


def _amount(rule: Rule, group: Group) -> int:
    identity = dict(zip(rule.per, group, strict=True))
    return rule.key_amounts.get(identity.get("key") or "", rule.amount_pusd)


def _share(rule: Rule, group: Group, spent: _Spent) -> int:
    return spent.cost_pusd * 1_000_000 // max(1, _amount(rule, group))


def _passes(rule: Rule, group: Group, where: Where) -> bool:
    identity = dict(zip(rule.per, group, strict=True))
    return all(identity[name] in values for name, values in where.items() if name in identity)


def names(budget: Budget) -> Iterator[str]:
    """Whose it is, in words."""
    return (f"{kind} {name}" for kind, name in budget.identity.items())
