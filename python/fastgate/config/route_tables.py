"""Routes and conditions to the tables: `Route`, `Row`, `When` and `Step` of `rust/core/src/tables.rs`.

Conditions that are not stated are left out.
"""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from fastgate.config.names import Route, Step
from fastgate.config.routing_settings import When

# Conditions that are the same in the tables.
_AS_WRITTEN = ("user", "feature", "region", "latency", "cost_class", "capability", "model", "context_over")


def route_table(
    route: Route, *, deployments: Mapping[str, int], tenants: Sequence[str], tiers: Sequence[str]
) -> dict[str, Any]:
    """A route with indices for ids."""
    return {
        "budget_ms": route.budget_ms,
        "rows": [
            {
                "when": _when(row.when, tenants, tiers),
                "chain": [_step(step, deployments) for step in row.chain],
            }
            for row in route.rows
        ],
        "listed": route.listed,
    }


def _step(step: Step, deployments: Mapping[str, int]) -> dict[str, Any]:
    return {
        "group": step.group,
        "pick": step.pick,
        "sticky_by": step.by,
        "members": [{"deployment": deployments[member], "weight": weight} for member, weight in step.members],
    }


def _when(when: When, tenants: Sequence[str], tiers: Sequence[str]) -> dict[str, Any]:
    conditions = {
        "tenant": None if when.tenant is None else [tenants.index(name) for name in when.tenant],
        "tier": None if when.tier is None else [tiers.index(name) for name in when.tier],
        **{name: getattr(when, name) for name in _AS_WRITTEN},
        "hours": None if when.hour is None else reduce(or_, when.hour),
        "load_permille": when.load,
    }
    return {name: value for name, value in conditions.items() if value is not None}
