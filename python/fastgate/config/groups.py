"""Which deployments a group holds: those it names, or those that meet its conditions."""

from typing import TypeAlias

from fastgate.config.routing_settings import Group
from fastgate.config.settings import Deployment, Settings

# Deployment ids with their weights.
Members: TypeAlias = tuple[tuple[str, int], ...]
# What is asked of a deployment, by the name of the setting, each by any of its values.
Conditions: TypeAlias = dict[str, list[str]]

_CONDITIONS = ("provider", "model", "region", "cost_class", "latency", "capability")


def members_of(group: Group, settings: Settings) -> Members:
    """The members, in the order of the file."""
    if group.members is not None:
        return tuple(group.members.items())
    return tuple((name, 1) for name in matching(conditions_of(group), settings))


def matching(conditions: Conditions, settings: Settings) -> list[str]:
    """Ids of the deployments that meet all conditions."""
    return [
        name
        for name, deployment in settings.deployments.items()
        if all(values_of(deployment, asked).intersection(values) for asked, values in conditions.items())
    ]


def conditions_of(group: Group) -> Conditions:
    """The conditions that a group states."""
    stated = ((name, getattr(group.where, name, None)) for name in _CONDITIONS)
    return {name: values for name, values in stated if values is not None}


def values_of(deployment: Deployment, condition: str) -> set[str]:
    """What a deployment says about itself; nothing where it leaves that open."""
    if condition == "capability":
        return set(deployment.capabilities or ())
    value = getattr(deployment, condition)
    return set() if value is None else {value}
