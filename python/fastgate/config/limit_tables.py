"""Limits to the tables: `rust/core/src/tables/limits.rs`, field for field. Ids become indices, shares "
"thousandths."""

from collections.abc import Mapping
from typing import Any

from fastgate.config.limit_rules import Rule
from fastgate.config.limit_settings import Capacity, Limiting
from fastgate.config.vendor_weights import TokenWeights


def limit_table(rule: Rule, *, tenants: Mapping[str, int], tiers: Mapping[str, int]) -> dict[str, Any]:
    """A rule with indices for tenants and tiers."""
    downgrade = rule.limit.downgrade
    return {
        "name": rule.name,
        "per": list(rule.per),
        "when": _when(rule, tenants, tiers),
        "resource": rule.resource,
        "amount": rule.amount,
        "key_amounts": rule.key_amounts,
        "window": _window(rule),
        "is_hard": rule.is_hard,
        "warn_permille": rule.limit.warn_at,
        "downgrade": downgrade and {"at_permille": downgrade.at, "model": downgrade.model},
    }


def capacity_table(capacity: Capacity, vendor: TokenWeights) -> dict[str, Any]:
    """What a provider allows; `vendor` counts where the settings do not say how."""
    weights = capacity.weights
    reserves = weights.reserves_max_tokens
    return {
        "requests_per_minute": capacity.requests_per_minute,
        "requests_per_day": capacity.requests_per_day,
        "tokens_per_minute": capacity.tokens_per_minute,
        "input_tokens_per_minute": capacity.input_tokens_per_minute,
        "output_tokens_per_minute": capacity.output_tokens_per_minute,
        "concurrent": capacity.concurrent,
        "weights": {
            "cache_read_permille": vendor.cache_read if weights.cache_read is None else weights.cache_read,
            "output_permille": vendor.output if weights.output is None else weights.output,
            "reserves_max_tokens": vendor.reserves_max_tokens if reserves is None else reserves,
        },
    }


def limiting_table(limiting: Limiting) -> dict[str, Any]:
    """What limits and queues may take."""
    return {
        "identities": limiting.identities,
        "output_tokens": limiting.output_tokens,
        "queue_length": limiting.queue_length,
        "queue_wait_ms": limiting.queue_wait,
    }


def _when(rule: Rule, tenants: Mapping[str, int], tiers: Mapping[str, int]) -> dict[str, Any]:
    when: dict[str, Any] = {scope: list(names) for scope, names in rule.when.items()}
    for scope, known in (("tenant", tenants), ("tier", tiers)):
        if scope in when:
            when[scope] = [known[name] for name in when[scope]]
    return when


def _window(rule: Rule) -> Any:
    window = rule.window
    if window is None:
        return "none"
    if window.kind == "rate":
        return {"rate": {"period_ms": window.shortest_ms, "burst": rule.burst}}
    if window.kind == "sliding":
        return {"sliding": {"window_ms": window.shortest_ms}}
    return {"calendar": {"period": str(window), "time_zone": str(rule.time_zone)}}
