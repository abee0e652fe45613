"""Limits that will be regretted: never met, never reached, or blind to what they should count."""

from collections.abc import Iterable

from fastgate import _core
from fastgate.config.findings import Path, dotted
from fastgate.config.limit_near import Near
from fastgate.config.limit_rules import Conditions, Known, Rule, places, rules
from fastgate.config.loading import MOCK, Config
from fastgate.config.settings import DEFAULT_TENANT, Key
from fastgate.errors import ConfigError


def limit_warnings(config: Config) -> list[ConfigError]:
    """What to tell the user, in the order of the file. These are never raised: the gateway serves."""
    known = Known(config.settings)
    found = rules(config.settings)
    told: list[tuple[Path, str]] = []
    for rule in found:
        reason = _never_matches(rule, known)
        if reason is not None:
            told.append((rule.path, f"can never match: {reason}"))
    told += _replaced(config, found)
    silent = {path for path, _ in told}
    told += _never_bind([rule for rule in found if rule.path not in silent], known)
    told += _without_price(config, found)
    warnings = [
        ConfigError(message, path=dotted(path), file=config.source.file, line=config.source.line(path))
        for path, message in told
    ]
    return sorted(warnings, key=lambda warning: warning.line or 0)


def _never_matches(rule: Rule, known: Known) -> str | None:
    """Why no request meets its conditions; None if some may."""
    tenants = known.tenants(rule.when)
    if tenants is not None and not tenants:
        return "no tenant meets its conditions"
    settings = known.settings
    if tenants is not None and not settings.auth.jwt:
        if settings.is_keyless and DEFAULT_TENANT not in tenants:
            return "without [[keys]] every client is tenant default"
        if not settings.is_keyless and tenants.isdisjoint(known.tenant_of_key.values()):
            return f"no key belongs to {', '.join(sorted(tenants))}"
    keys = [known.keys[key] for key in rule.when.get("key", ())]
    if keys and not any(_may_meet(key, rule, tenants) for key in keys):
        return "what the key says excludes its conditions"
    return None


def _may_meet(key: Key, rule: Rule, tenants: frozenset[str] | None) -> bool:
    users, features, models = (rule.when.get(scope) for scope in ("user", "feature", "model"))
    return (
        (tenants is None or key.tenant in tenants)
        and (users is None or key.user is None or key.user in users)
        and (features is None or key.feature is None or key.feature in features)
        and (models is None or key.models is None or not set(models).isdisjoint(key.models))
    )


def _replaced(config: Config, found: Iterable[Rule]) -> list[tuple[Path, str]]:
    kept = {rule.path for rule in found}
    return [
        ((*place.path, index), "can never match: every tenant of this tier has a limit in its place")
        for place in places(config.settings)
        for index in range(len(place.limits))
        if (*place.path, index) not in kept
    ]


def _never_bind(found: Iterable[Rule], known: Known) -> list[tuple[Path, str]]:
    """Limits that another one keeps from ever being reached."""
    near = Near(known)
    order = {}
    for position, rule in enumerate(found):
        near.add(rule)
        order[rule.path] = position
    told = []
    for rule in found:
        for other in near.of(rule):
            if other is rule or not _binds_first(other, rule, known):
                continue
            # Of two that allow the same the first is told to bind.
            if _binds_first(rule, other, known) and order[rule.path] < order[other.path]:
                continue
            told.append(
                (rule.path, f"can never be reached: {dotted(other.path)}, {other.name}, allows no more")
            )
            break
    return told


def _binds_first(first: Rule, second: Rule, known: Known) -> bool:
    """Whether whatever `first` lets through stays within `second`."""
    if not _counts_all_of(first, second):
        return False
    # All of one count of `second` has to be in one count of `first`, and met by its conditions.
    if not second.fixed.issuperset(first.per) or not _implies(second, first, known):
        return False
    most = max(first.amount, *first.key_amounts.values(), 0)
    if first.window is None or second.window is None:
        return first.window is second.window and most <= _least(second)
    if second.burst is not None:
        return _within_rate(first, second, most)
    return _most_in(first, second, most) <= _least(second)


def _counts_all_of(first: Rule, second: Rule) -> bool:
    """Whether `first` counts at least what `second` does, and is kept where `second` is."""
    is_part = first.resource == "tokens" and second.resource in ("input_tokens", "output_tokens")
    may_be_exceeded = not first.is_hard and first.resource not in ("requests", "concurrent")
    return (first.resource == second.resource or is_part) and not (may_be_exceeded and second.is_hard)


def _implies(rule: Rule, other: Rule, known: Known) -> bool:
    """Whether every request that `rule` is about is one of `other`'s."""
    where: Conditions = {scope: names for scope, names in other.when.items() if scope in ("tenant", "tier")}
    allowed, tenants = known.tenants(where), known.tenants(rule.when)
    if allowed is not None and (tenants is None or not tenants <= allowed):
        return False
    return all(
        scope in rule.when and set(rule.when[scope]).issubset(names)
        for scope, names in other.when.items()
        if scope not in where
    )


def _least(rule: Rule) -> int:
    """The smallest use at which anything happens."""
    amount = min(rule.amount, *rule.key_amounts.values(), rule.amount)
    limit = rule.limit
    shares = [limit.warn_at, limit.downgrade.at if limit.downgrade else None]
    return min(amount * (1000 if share is None else share) // 1000 for share in shares)


def _most_in(first: Rule, second: Rule, most: int) -> int:
    """What `first` lets through at most in a window of `second`."""
    assert first.window is not None
    assert second.window is not None
    length_ms, own_ms = second.window.longest_ms, first.window.shortest_ms
    if first.burst is not None:
        return first.burst + -(-most * length_ms // own_ms)
    if first.window.kind == "calendar":
        is_same = first.window == second.window and first.time_zone == second.time_zone
        return most if is_same else most * (-(-length_ms // own_ms) + 1)
    return most * -(-length_ms // own_ms)


def _within_rate(first: Rule, second: Rule, most: int) -> bool:
    assert first.window is not None
    assert second.window is not None
    assert second.burst is not None
    if first.burst is None:
        return most <= second.burst
    is_slower = most * second.window.shortest_ms <= _least(second) * first.window.shortest_ms
    return is_slower and first.burst <= second.burst


def _without_price(config: Config, found: Iterable[Rule]) -> list[tuple[Path, str]]:
    """Deployments whose cost is unknown, and so escapes limits of money."""
    settings = config.settings
    if settings.billing.unknown_price == "block" or not any(rule.resource == "usd" for rule in found):
        return []
    return [
        (
            ("deployments", name),
            "its price is not known, so no limit of money counts it: "
            f'add [prices."{name}"], or set billing.unknown_price = "block"',
        )
        for name, deployment in settings.deployments.items()
        if deployment.provider != MOCK
        and name not in settings.prices
        and deployment.model not in settings.prices
        and _core.rates(
            deployment.model,
            provider=deployment.provider,
            base_url=settings.providers[deployment.provider].base_url,
        )
        is None
    ]
