"""What is wrong with limits: each by itself, then among each other and with the rest of the configuration."""

from collections.abc import Collection, Iterable

from fastgate.config.addresses import is_trustworthy
from fastgate.config.amounts import PUSD, Quantity
from fastgate.config.findings import Findings, Path, did_you_mean, dotted
from fastgate.config.limit_rules import (
    RESOURCES,
    Known,
    Place,
    Rule,
    id_of,
    in_units,
    places,
    resource_of,
    rules,
)
from fastgate.config.limit_settings import Limit, Resource, Scope
from fastgate.config.settings import DEFAULT_TENANT, Settings
from fastgate.config.windows import Window

# Rates count in steps of a nanosecond: `UNITS_MAX` of rust/core/src/limits/gcra.rs.
RATE_MAX = 2**53
_NAME_CHARACTERS = frozenset(map(chr, range(0x20, 0x7F))) - {'"', "'"}
_NAME_LENGTH = 128


def check_limits(settings: Settings, findings: Findings) -> None:
    """Note everything that does not hold; what concerns several limits once each of them is right."""
    limiting = settings.limiting
    if limiting.webhook is not None and not is_trustworthy(limiting.webhook):
        findings.add(("limiting", "webhook"), "must be an https:// URL, or a plain one on loopback")
    if limiting.webhook_secret is not None and limiting.webhook is None:
        findings.add(("limiting", "webhook_secret"), "is only for a webhook")
    known = Known(settings)
    for place in places(settings):
        for index, limit in enumerate(place.limits):
            _check_limit((*place.path, index), place, limit, known, findings)
    if not findings.errors:
        found = rules(settings)
        _check_names(found, findings)
        _check_amounts(found, known, findings)


def check_downgrades(settings: Settings, names: Collection[str], findings: Findings) -> None:
    """Note limits that lead to models that do not exist. `names`: every exact name that a client may send."""
    for place in places(settings):
        for index, limit in enumerate(place.limits):
            if limit.downgrade is not None and limit.downgrade.model not in names:
                path = (*place.path, index, "downgrade", "model")
                findings.add(path, "no such model", did_you_mean(limit.downgrade.model, names))


def check_conditions(settings: Settings, names: Collection[str], findings: Findings) -> None:
    """Note limits of models that do not exist; call where no provider is open."""
    for place in places(settings):
        for index, limit in enumerate(place.limits):
            for position, name in enumerate((limit.when and limit.when.model) or ()):
                if name not in names:
                    path = (*place.path, index, "when", "model", position)
                    findings.add(path, "no such model", did_you_mean(name, names))


def _check_limit(path: Path, place: Place, limit: Limit, known: Known, findings: Findings) -> None:
    named = [resource for resource in RESOURCES if getattr(limit, resource) is not None]
    if len(named) != 1:
        said = "names several resources" if named else "names no resource"
        findings.add(path, said, "exactly one of " + ", ".join(RESOURCES))
        return
    if limit.per is not None and len(set(limit.per)) < len(limit.per):
        findings.add((*path, "per"), "names a scope twice")
    _check_window(path, limit, findings)
    if limit.warn_at == 0:
        findings.add((*path, "warn_at"), "must be above 0%")
    if limit.downgrade is not None:
        if limit.window is None or limit.window.kind == "rate":
            findings.add((*path, "downgrade"), "is for quotas: windows longer than a minute")
        if limit.downgrade.at == 0:
            findings.add((*path, "downgrade", "at"), "must be above 0%", "name the model itself in its place")
    _check_when(path, place, limit, known, findings)


def _check_window(path: Path, limit: Limit, findings: Findings) -> None:
    resource, window = resource_of(limit), limit.window
    if resource == "concurrent":
        for name in ("window", "burst", "time_zone"):
            if getattr(limit, name) is not None:
                findings.add((*path, name), "is not for requests under way: they are counted at any moment")
        if limit.hard is not None:
            findings.add((*path, "hard"), "is not for requests under way: their number is exact in any case")
        return
    if window is None:
        findings.add((*path, "window"), "is required", 'as "1m", "1h" or "month"')
        return
    if limit.time_zone is not None and window.kind != "calendar":
        findings.add((*path, "time_zone"), "is for day, week and month only")
    if window.kind != "rate":
        if limit.burst is not None:
            findings.add((*path, "burst"), 'is for windows of "1s" and "1m" only')
        return
    written = {resource: getattr(limit, resource), "burst": limit.burst}
    for name, amount in written.items():
        if amount is not None:
            _check_amount((*path, name), resource, window, amount, findings)


def _check_amount(
    path: Path, resource: Resource, window: Window | None, amount: int, findings: Findings
) -> None:
    """Note an amount that the resource can't have; `amount` in units or picodollars, or as a quantity."""
    try:
        units = in_units(resource, amount) if isinstance(amount, Quantity) else amount
    except ValueError as error:
        findings.add(path, str(error))
        return
    if window is not None and window.kind == "rate" and not 1 <= units <= RATE_MAX:
        largest = f"{RATE_MAX // PUSD} USD" if resource == "usd" else str(RATE_MAX)
        findings.add(path, f'must be above 0 and at most {largest} in windows of "1s" and "1m"')
    elif units < 1 and resource != "usd":
        findings.add(path, "must be at least 1")


def _check_when(path: Path, place: Place, limit: Limit, known: Known, findings: Findings) -> None:
    if limit.when is None:
        return
    if place.scope is not None and getattr(limit.when, place.scope, None) is not None:
        findings.add((*path, "when", place.scope), f"is said by where it stands: {dotted(place.path[:-1])}")
    settings = known.settings
    existing: dict[Scope, Collection[str]] = {
        "tenant": [DEFAULT_TENANT, *settings.tenants],
        "tier": settings.tiers.keys(),
        "key": [key.name or id_of(key) for key in settings.keys],
    }
    for scope, names in existing.items():
        for index, name in enumerate(getattr(limit.when, scope) or ()):
            if not (known.keys_named(name) if scope == "key" else name in names):
                findings.add((*path, "when", scope, index), f"no such {scope}", did_you_mean(name, names))


def _check_names(found: Iterable[Rule], findings: Findings) -> None:
    owners: dict[str, Rule] = {}
    for rule in found:
        first = owners.setdefault(rule.name, rule)
        if first is not rule:
            findings.add(rule.path, f"has the name of {dotted(first.path)}: {rule.name}", "name one of them")
        elif len(rule.name) > _NAME_LENGTH or not _NAME_CHARACTERS.issuperset(rule.name):
            findings.add(
                (*rule.path, "name"), "is required", "what would be its own does not fit a response header"
            )


def _check_amounts(found: Iterable[Rule], known: Known, findings: Findings) -> None:
    by_name = {rule.name: rule for rule in found}
    for index, key in enumerate(known.settings.keys):
        for name, amount in key.limit_amounts.items():
            path: Path = ("keys", index, "limit_amounts", name)
            rule = by_name.get(name)
            if rule is None:
                findings.add(path, "no limit has this name", did_you_mean(name, by_name))
                continue
            _check_amount(path, rule.resource, rule.window, amount, findings)
            tenants = known.tenants(rule.when)
            is_other = id_of(key) not in rule.when.get("key", (id_of(key),))
            if is_other or (tenants is not None and key.tenant not in tenants):
                findings.add(path, f"this limit, {dotted(rule.path)}, is never about this key")
