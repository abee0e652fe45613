"""Which deployments a model name means.

A name is looked up as: entry of `[models]`, or alias of one; deployment id; `provider/model`; bare model name
(several deployments with it share the traffic equally). All names are resolved here, once; a name with two
different meanings is an error, since one of them would silently never be used.
"""

from collections.abc import Iterable

import msgspec

from fastgate.catalogue.vendors import prefixes_of
from fastgate.config.findings import Findings, Path, did_you_mean, dotted
from fastgate.config.groups import Members, members_of
from fastgate.config.routing_settings import Model, When
from fastgate.config.settings import Settings


class Step(msgspec.Struct, frozen=True):
    """Deployments that stand in for each other: a group's, or one alone."""

    members: Members
    group: str | None = None
    pick: str = "weighted"
    by: str = "session"


class Row(msgspec.Struct, frozen=True):
    """Steps to try in order, for requests that meet the conditions."""

    chain: tuple[Step, ...]
    when: When = When()


class Route(msgspec.Struct, frozen=True):
    """Where a name leads: the first row that matches."""

    rows: tuple[Row, ...]
    budget_ms: int | None = None
    listed: bool = True

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step of every row."""
        return tuple(step for row in self.rows for step in row.chain)

    @property
    def deployments(self) -> frozenset[str]:
        """Every deployment it can reach."""
        return frozenset(deployment for step in self.steps for deployment, _ in step.members)


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
    places = _entry_places(settings, findings)
    written = {name: _written(model, settings) for name, model in settings.models.items()}
    entries = {name: written[str(place[1])] for name, place in places.items()}
    ids = {name: _plain(((name, 1),)) for name in settings.deployments}
    qualified = _shared(
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
    for table in (entries, ids, qualified, bare):
        for name, route in table.items():
            winner = resolved.setdefault(name, route)
            if winner is route:
                continue
            # An entry may add deployments to what its name means by itself, but not lead past all of them.
            refines = name in entries and winner.deployments & route.deployments
            if not refines and winner.deployments != route.deployments:
                _note_clash(name, winner, route, places.get(name), findings)
            elif route.listed and not winner.listed:
                resolved[name] = msgspec.structs.replace(winner, listed=True)
    _check_groups(settings, resolved, places, findings)
    _check_open(opened, settings, places, bare, findings)
    return resolved


def check_allowed(settings: Settings, resolved: dict[str, Route], findings: Findings) -> None:
    """Note models of keys that no client could ever ask for; call where no provider is open."""
    for index, key in enumerate(settings.keys):
        for position, name in enumerate(key.models or ()):
            if name not in resolved:
                hint = did_you_mean(name, resolved)
                findings.add(("keys", index, "models", position), "no such model name", hint)


def _entry_places(settings: Settings, findings: Findings) -> dict[str, Path]:
    """Names and aliases of entries with where they stand (`place[1]` is the entry); notes what is double."""
    places: dict[str, Path] = {name: ("models", name) for name in settings.models}
    for name, model in settings.models.items():
        for index, alias in enumerate(model.aliases):
            place = ("models", name, "aliases", index)
            first = places.setdefault(alias, place)
            if first[1] == name and first != place:
                findings.add(place, "is a name of this model already", "leave it out")
            elif first != place:
                message = f'the name "{alias}" has two meanings: this model, and {dotted(first)}'
                findings.add(place, message, "rename one of them")
    return places


def _written(model: Model, settings: Settings) -> Route:
    """What an entry of `[models]` says."""
    if model.use is not None:
        rows = [Row(_chain(model.use, settings))]
    else:
        rows = [Row(_chain(row.use, settings), row.when or When()) for row in model.rows or ()]
    return Route(tuple(rows), budget_ms=model.budget)


def _chain(targets: Iterable[str], settings: Settings) -> tuple[Step, ...]:
    steps = []
    for target in targets:
        group = settings.groups.get(target)
        if group is None:
            steps.append(Step(((target, 1),)))
        else:
            steps.append(Step(members_of(group, settings), target, group.pick, group.by))
    return tuple(steps)


def _plain(members: Members, *, listed: bool = True) -> Route:
    """The route of a name that nobody wrote rows for."""
    return Route((Row((Step(members),)),), listed=listed)


def _shared(names: Iterable[tuple[str, str]], *, listed: bool) -> dict[str, Route]:
    members: dict[str, list[str]] = {}
    for name, deployment in names:
        members.setdefault(name, []).append(deployment)
    return {
        name: _plain(tuple((deployment, 1) for deployment in deployments), listed=listed)
        for name, deployments in members.items()
    }


def _note_clash(name: str, winner: Route, other: Route, entry: Path | None, findings: Findings) -> None:
    meant, lost = (", ".join(sorted(route.deployments)) for route in (winner, other))
    findings.add(
        entry or ("deployments", min(winner.deployments)),
        f'the name "{name}" has two meanings: {meant} here, and {lost} as deployment or model',
        "rename one of them",
    )


def _check_groups(
    settings: Settings, resolved: dict[str, Route], places: dict[str, Path], findings: Findings
) -> None:
    for group_id in settings.groups:
        place = places.get(group_id)
        if place is not None:
            if all(step.group != group_id for step in resolved[group_id].steps):
                message = "a group has this name, but the entry leads elsewhere"
                findings.add(place, message, "rename one")
        elif group_id in resolved and group_id not in settings.deployments:
            hint = f'rename the group, or add [models."{group_id}"] with use = ["{group_id}"]'
            findings.add(
                ("groups", group_id), "clients who send this name get the model of that name instead", hint
            )


def _check_open(
    opened: Iterable[OpenProvider],
    settings: Settings,
    places: dict[str, Path],
    bare: dict[str, Route],
    findings: Findings,
) -> None:
    for provider in (item.provider for item in opened):
        if provider in settings.deployments:
            findings.add(
                ("deployments", provider), "a provider without deployments has the same id", "rename one"
            )
        for name in (*places, *settings.deployments, *bare):
            if name.startswith(f"{provider}/"):
                path: Path = ("providers", provider)
                if name in places:
                    path = places[name]
                elif name in settings.deployments:
                    path = ("deployments", name)
                message = f'the name "{name}" has two meanings: {provider} serves every {provider}/… itself'
                findings.add(path, message, f"rename it, or give {provider} deployments")
