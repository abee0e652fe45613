"""Which limits a configuration means: every list of `limits`, wherever it stands, as rules that say all.

Where a list stands says whose requests it is about, and what `per` is if left out. What is written of a
tenant, key or model is counted within it: `per = "model"` of two tenants are two counts. A tenant's own limit
takes the place of its tier's for the same count (`per`, resource, window, `when`); what it says nothing about
still holds.
"""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, get_args

import msgspec

from fastgate.config.amounts import Quantity
from fastgate.config.findings import Path
from fastgate.config.limit_settings import Limit, Resource, Scope
from fastgate.config.settings import Key, Settings
from fastgate.config.windows import TimeZone, Window

SCOPES: tuple[Scope, ...] = get_args(Scope)
RESOURCES: tuple[Resource, ...] = get_args(Resource)

# What is asked of a request, by scope, each by any of its values; keys by their id.
Conditions: TypeAlias = Mapping[Scope, tuple[str, ...]]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, with everything that it leaves to its place or to defaults."""

    path: Path
    limit: Limit
    name: str
    per: tuple[Scope, ...]
    """In the order of `SCOPES`; with `tenant` wherever a user, feature or session is."""
    when: Conditions
    resource: Resource
    amount: int
    """Units, or picodollars."""
    time_zone: TimeZone
    key_quantities: Mapping[str, Quantity]
    """Other amounts, by key id, as they are written."""

    @property
    def window(self) -> Window | None:
        """None for requests under way."""
        return self.limit.window

    @property
    def is_hard(self) -> bool:
        """Whether it reserves an upper bound."""
        return self.resource == "usd" if self.limit.hard is None else self.limit.hard

    @property
    def burst(self) -> int | None:
        """What may come at once under a rate, in units or picodollars; None for what is no rate."""
        if self.window is None or self.window.kind != "rate":
            return None
        if self.limit.burst is not None:
            return in_units(self.resource, self.limit.burst)
        # Where a second's worth is small, a sixth of it would let no request through.
        return self.amount if self.window == "1s" else max(1, self.amount // 6)

    @property
    def key_amounts(self) -> dict[str, int]:
        """Other amounts, by key id, in units or picodollars."""
        return {key: in_units(self.resource, amount) for key, amount in self.key_quantities.items()}

    @property
    def fixed(self) -> frozenset[Scope]:
        """What is the same for all requests that share a count."""
        found = set(self.per) | {scope for scope, names in self.when.items() if len(names) == 1}
        if "key" in found:
            found.add("tenant")
        if "tenant" in found:
            found.add("tier")
        return frozenset(found)


class Place(msgspec.Struct, frozen=True):
    """Where a list of limits stands."""

    path: Path
    limits: Sequence[Limit]
    label: str
    scope: Scope | None = None
    """Whose limits they are; None for `[[limits]]`."""
    when: Conditions = {}


def places(settings: Settings) -> Iterator[Place]:
    """Every list of limits."""
    for name, tenant in settings.tenants.items():
        yield Place(
            ("tenants", name, "limits"), tenant.limits, f"tenant {name}", "tenant", {"tenant": (name,)}
        )
    for name, tier in settings.tiers.items():
        yield Place(("tiers", name, "limits"), tier.limits, f"tier {name}", "tier", {"tier": (name,)})
    named = Counter(key.name for key in settings.keys)
    for index, key in enumerate(settings.keys):
        key_id = id_of(key)
        label = f"key {key.name if key.name and named[key.name] == 1 else key_id}"
        yield Place(("keys", index, "limits"), key.limits, label, "key", {"key": (key_id,)})
    for name, model in settings.models.items():
        names = (name, *model.aliases)
        yield Place(("models", name, "limits"), model.limits, f"model {name}", "model", {"model": names})
    yield Place(("limits",), settings.limits, "limits")


def rules(settings: Settings) -> tuple[Rule, ...]:
    """The rules of limits that are well-formed each by itself, in the order of `places`.

    A tier's limit that every tenant replaces is left out.
    """
    known = Known(settings)
    found = [
        _rule(place, limit, index, known)
        for place in places(settings)
        for index, limit in enumerate(place.limits)
    ]
    own = {(*rule.when["tenant"], _count_of(rule)) for rule in found if rule.path[0] == "tenants"}
    return tuple(left for rule in found if (left := _without_replaced(rule, own, known)) is not None)


class Known:
    """Tenants, keys and models of a configuration, as limits ask for them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.keys = {id_of(key): key for key in settings.keys}
        self.tenant_of_key = {key_id: key.tenant for key_id, key in self.keys.items()}
        self.tenants_of_tier: dict[str, list[str]] = defaultdict(list)
        for name, tenant in settings.tenants.items():
            if tenant.tier is not None:
                self.tenants_of_tier[tenant.tier].append(name)
        self.names: dict[str, tuple[str, ...]] = {}
        """All names of the model that a name belongs to: no alias is a way around a limit."""
        for name, model in settings.models.items():
            self.names |= dict.fromkeys((name, *model.aliases), (name, *model.aliases))
        self.quantities: dict[str, dict[str, Quantity]] = defaultdict(dict)
        """Amounts of keys, by the name of a rule and key id."""
        self._keys: dict[str, list[str]] = defaultdict(list)
        for key in settings.keys:
            self._keys[id_of(key)].append(id_of(key))
            if key.name is not None and key.name != id_of(key):
                self._keys[key.name].append(id_of(key))
            for name, quantity in key.limit_amounts.items():
                self.quantities[name][id_of(key)] = quantity

    def keys_named(self, name: str) -> tuple[str, ...]:
        """Ids of the keys that a condition means: by their `name`, or by the digits of one's id."""
        return tuple(self._keys.get(name) or self._keys.get(name.lower()) or ())

    def tenants(self, when: Conditions) -> frozenset[str] | None:
        """The tenants whose requests can meet conditions; None if it is every one."""
        reached: frozenset[str] | None = None
        for scope, names in when.items():
            if scope == "tenant":
                met = frozenset(names)
            elif scope == "tier":
                met = frozenset(name for tier in names for name in self.tenants_of_tier.get(tier, ()))
            elif scope == "key":
                met = frozenset(self.tenant_of_key[name] for name in names)
            else:
                continue
            reached = met if reached is None else reached & met
        return reached


def id_of(key: Key) -> str:
    """What names a key in records: the first 12 hex digits of its digest."""
    return key.digest.removeprefix("sha256:")[:12].lower()


def resource_of(limit: Limit) -> Resource:
    """The resource that it names; the first, should there be several."""
    return next(resource for resource in RESOURCES if getattr(limit, resource) is not None)


def in_units(resource: Resource, quantity: Quantity) -> int:
    """A quantity of a resource: units, or picodollars.

    Raises:
        ValueError: It is not whole, or too much.
    """
    return quantity.pusd() if resource == "usd" else quantity.units()


def _rule(place: Place, limit: Limit, index: int, known: Known) -> Rule:
    when = _when(place, limit, known)
    resource = resource_of(limit)
    name = limit.name or _default_name(place, limit)
    return Rule(
        path=(*place.path, index),
        limit=limit,
        name=name,
        per=_per(place, limit),
        when=when,
        resource=resource,
        amount=int(getattr(limit, resource)),
        time_zone=limit.time_zone or known.settings.limiting.time_zone,
        key_quantities=known.quantities.get(name, {}),
    )


def _when(place: Place, limit: Limit, known: Known) -> dict[Scope, tuple[str, ...]]:
    when = dict(place.when)
    for scope in SCOPES:
        stated: list[str] | None = getattr(limit.when, scope, None)
        if stated is None:
            continue
        meant: Iterable[tuple[str, ...]] = [(name,) for name in stated]
        if scope == "key":
            meant = map(known.keys_named, stated)
        elif scope == "model":
            meant = [known.names.get(name, (name,)) for name in stated]
        when[scope] = tuple(dict.fromkeys(name for names in meant for name in names))
    return when


def _per(place: Place, limit: Limit) -> tuple[Scope, ...]:
    found: set[Scope] = set(_stated_per(place, limit))
    if place.scope == "model":
        # Under several names a model has one count: which requests are its own is among the conditions.
        found.discard("model")
    elif place.scope in ("tenant", "key"):
        found.add(place.scope)
    if found & {"user", "feature", "session"}:
        found.add("tenant")
    return tuple(scope for scope in SCOPES if scope in found)


def _stated_per(place: Place, limit: Limit) -> Sequence[Scope]:
    if limit.per is not None:
        return limit.per
    if place.scope is None:
        return ()
    return ("tenant" if place.scope == "tier" else place.scope,)


def _default_name(place: Place, limit: Limit) -> str:
    words = [f"{place.label}: {resource_of(limit).replace('_', ' ')}"]
    for scope in SCOPES:
        names: list[str] | None = getattr(limit.when, scope, None)
        if names is not None:
            words.append(f"of {scope} {', '.join(names)}")
    stated = _stated_per(place, limit)
    counted: list[str] = [scope for scope in SCOPES if scope in stated and scope != place.scope]
    if limit.window is not None:
        counted.append(limit.window)
    if counted:
        *others, last = counted
        words.append(f"per {', '.join(others)} and {last}" if others else f"per {last}")
    return " ".join(words)


def _count_of(rule: Rule) -> tuple[object, ...]:
    """What a tenant's limit and its tier's have in common where one replaces the other."""
    further = tuple((scope, names) for scope, names in rule.when.items() if scope not in ("tenant", "tier"))
    return (rule.per, rule.resource, rule.window, further)


def _without_replaced(rule: Rule, own: Container[tuple[object, ...]], known: Known) -> Rule | None:
    """The rule for the tenants that have none in its place; None if none is left."""
    if rule.path[0] != "tiers":
        return rule
    (tier,) = rule.when["tier"]
    tenants = known.tenants_of_tier.get(tier, [])
    left = [name for name in tenants if (name, _count_of(rule)) not in own]
    if len(left) == len(tenants):
        return rule
    if not left:
        return None
    when = {scope: names for scope, names in rule.when.items() if scope not in ("tier", "tenant")}
    when["tenant"] = tuple(name for name in left if name in rule.when.get("tenant", left))
    return msgspec.structs.replace(rule, when=when)
