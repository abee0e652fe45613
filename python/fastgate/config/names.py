"""Which deployments a model name means.

A name is looked up as: entry of `[models]`; deployment id; `provider/model`; bare model name (several
deployments with it share the traffic equally). All names are resolved here, once; a name with two different
meanings is an error, since one of them would silently never be used.
"""

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from fastgate.config.findings import Findings, Path, did_you_mean
from fastgate.config.settings import Model, Settings
from fastgate.config.vendors import prefixes_of

Step: TypeAlias = tuple[tuple[str, int], ...]


class Route(msgspec.Struct, frozen=True):
    """Where a name leads: steps of (deployment id, weight), tried in order."""

    chain: tuple[Step, ...]
    budget_ms: int | None = None
    listed: bool = True

    @property
    def deployments(self) -> frozenset[str]:
        """Every deployment it can reach."""
        return frozenset(deployment for step in self.chain for deployment, _ in step)


class OpenProvider(msgspec.Struct, frozen=True):
    """A provider without deployments: serves `provider/<anything>`, and bare names it can claim as its
    own."""

    provider: str
    prefixes: tuple[str, ...]
    any: bool


def open_providers(settings: Settings, findings: Findings) -> tuple[OpenProvider, ...]:
    """Providers without deployments; two that claim the same bare names are noted as wrong."""
    closed = {deployment.provider for deployment in settings.deployments.values()}
    alone = len(settings.providers) == 1
    opened = tuple(
        OpenProvider(name, prefixes_of(name, provider.base_url), alone)
        for name, provider in settings.providers.items()
        if name not in closed
    )
    owner: dict[str, str] = {}
    for provider in opened:
        for prefix in provider.prefixes:
            first = owner.setdefault(prefix, provider.provider)
            if first != provider.provider:
                message = f'bare names such as "{prefix}…" would mean this provider and {first}'
                findings.add(("providers", provider.provider), message, "give one of them deployments")
                break
    return opened


def routes(settings: Settings, opened: Iterable[OpenProvider], findings: Findings) -> dict[str, Route]:
    """Every exact name with its route; names with two meanings are noted as wrong."""
    entries = {name: _entry(model, settings) for name, model in settings.models.items()}
    ids = {name: Route((((name, 1),),)) for name in settings.deployments}
    aliases = _shared(
        (
            (f"{deployment.provider}/{deployment.model}", name)
            for name, deployment in settings.deployments.items()
        ),
        listed=False,
    )
    bare = _shared(
        ((deployment.model, name) for name, deployment in settings.deployments.items()), listed=True
    )

    resolved: dict[str, Route] = {}
    for table in (entries, ids, aliases, bare):
        for name, route in table.items():
            winner = resolved.setdefault(name, route)
            if winner is route:
                continue
            # An entry may add deployments to what a model's own name means, but not lead past all of them.
            refines = name in entries and table is not ids and winner.deployments & route.deployments
            if not refines and winner.deployments != route.deployments:
                _note_clash(name, winner, route, name in entries, findings)
            elif route.listed and not winner.listed:
                resolved[name] = msgspec.structs.replace(winner, listed=True)
    _check_groups(settings, resolved, findings)
    _check_open(opened, settings, bare, findings)
    return resolved


def check_allowed(settings: Settings, resolved: dict[str, Route], findings: Findings) -> None:
    """Note models of keys that no client could ever ask for; call where no provider is open."""
    for index, key in enumerate(settings.keys):
        for position, name in enumerate(key.models or ()):
            if name not in resolved:
                hint = did_you_mean(name, resolved)
                findings.add(("keys", index, "models", position), "no such model name", hint)


def _entry(model: Model, settings: Settings) -> Route:
    used = model.use or (model.rows[0].use if model.rows else [])
    steps = (
        tuple(settings.groups[target].members.items()) if target in settings.groups else ((target, 1),)
        for target in used
    )
    return Route(tuple(steps), budget_ms=model.budget)


def _shared(names: Iterable[tuple[str, str]], *, listed: bool) -> dict[str, Route]:
    members: dict[str, list[str]] = {}
    for name, deployment in names:
        members.setdefault(name, []).append(deployment)
    return {
        name: Route((tuple((deployment, 1) for deployment in deployments),), listed=listed)
        for name, deployments in members.items()
    }


def _note_clash(name: str, winner: Route, other: Route, is_entry: bool, findings: Findings) -> None:
    meant, lost = (", ".join(sorted(route.deployments)) for route in (winner, other))
    path: Path = ("models", name) if is_entry else ("deployments", min(winner.deployments))
    findings.add(
        path,
        f'the name "{name}" has two meanings: {meant} here, and {lost} as deployment or model',
        "rename one of them",
    )


def _check_groups(settings: Settings, resolved: dict[str, Route], findings: Findings) -> None:
    for group_id in settings.groups:
        model = settings.models.get(group_id)
        if model is not None and _entry(model, settings) != _entry(
            Model(use=[group_id], budget=model.budget), settings
        ):
            findings.add(
                ("models", group_id), "a group has this name, but the entry leads elsewhere", "rename one"
            )
        elif model is None and group_id in resolved and group_id not in settings.deployments:
            hint = f'rename the group, or add [models."{group_id}"] with use = ["{group_id}"]'
            findings.add(
                ("groups", group_id), "clients who send this name get the model of that name instead", hint
            )


def _check_open(
    opened: Iterable[OpenProvider], settings: Settings, bare: dict[str, Route], findings: Findings
) -> None:
    for provider in (item.provider for item in opened):
        if provider in settings.deployments:
            findings.add(
                ("deployments", provider), "a provider without deployments has the same id", "rename one"
            )
        for name in (*settings.models, *settings.deployments, *bare):
            if name.startswith(f"{provider}/"):
                path: Path = ("providers", provider)
                if name in settings.models:
                    path = ("models", name)
                elif name in settings.deployments:
                    path = ("deployments", name)
                message = f'the name "{name}" has two meanings: {provider} serves every {provider}/… itself'
                findings.add(path, message, f"rename it, or give {provider} deployments")
