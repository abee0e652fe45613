"""What is known of a deployment's model, who says so, and what of it routing judges requests by.

Field by field counts first what the deployment says, then `[catalogue.models]`, then the catalogue, which
speaks only of vendors known by their address: at any other one a familiar name may be anything. The window
that `genai-prices` lists is shown and never judged by: it is too small for one model in five.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from fastgate.catalogue.models import Facts, facts_of, listed_window, vendor_at
from fastgate.config.catalogue_settings import Filled
from fastgate.config.limit_rules import rules
from fastgate.config.settings import Deployment, Settings
from fastgate.config.table import Capability

Source: TypeAlias = Literal["config", "catalogue", "package"]

CAPABILITIES: tuple[Capability, ...] = get_args(Capability)


class Known(msgspec.Struct, frozen=True):
    """Facts, and who says each: by the names of fields and abilities."""

    facts: Facts
    sources: Mapping[str, Source]
    vendor: str | None
    """Of the overlay; None where the address is nobody's known."""


class Fill(msgspec.Struct, frozen=True):
    """What the tables of a deployment say of its model; None: nobody said."""

    capabilities: list[Capability] | None
    context_tokens: int | None
    output_tokens: int | None


def known(settings: Settings, provider: str, model: str, deployment: Deployment | None = None) -> Known:
    """Everything that is known of a provider's model, for people."""
    base_url = settings.providers[provider].base_url
    vendor = vendor_of(settings, provider)
    layers: list[tuple[Source, Facts]] = []
    if deployment is not None:
        layers.append(("config", _own(deployment)))
    layers.append(("config", overridden(settings, provider, model)))
    if vendor is not None and (facts := facts_of(vendor, model)) is not None:
        layers.append(("catalogue", facts))
    if (window := listed_window(model, provider=provider, base_url=base_url)) is not None:
        layers.append(("package", Facts(context_tokens=window)))
    return Known(*merged(layers), vendor)


def merged(layers: list[tuple[Source, Facts]]) -> tuple[Facts, dict[str, Source]]:
    """All layers as one, the first that states a fact counting, and which one that was."""
    facts, sources = Facts(), dict[str, Source]()
    for source, layer in layers:
        if facts.input_tokens is not None and source == "package":
            continue  # its window is the limit of input there
        for name in stated(layer):
            sources.setdefault(name, source)
        facts = facts.over(layer)
    return facts, sources


def stated(facts: Facts) -> Iterator[str]:
    """Names of the fields and abilities that facts say something about."""
    fields = msgspec.structs.asdict(facts)
    abilities = fields.pop("abilities")
    yield from (name for name, value in fields.items() if value is not None)
    yield from abilities


def overridden(settings: Settings, provider: str, model: str) -> Facts:
    """What `[catalogue.models]` says of a provider's model."""
    names = (model, f"{provider}/{model}")
    fitting = [pattern for pattern in settings.catalogue.models if any(fits(pattern, name) for name in names)]
    facts = Facts()
    for pattern in sorted(fitting, key=lambda pattern: (pattern.endswith("*"), -len(pattern))):
        facts = facts.over(settings.catalogue.models[pattern].facts())
    return facts


def fits(pattern: str, name: str) -> bool:
    """Whether a name of `[catalogue.models]` means this one."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def filled_by_catalogue(settings: Settings) -> frozenset[Filled]:
    """What deployments that don't say it take from the catalogue.

    Under a hard limit on tokens or money the sizes of a deployment say what a request reserves, and a model's
    largest output is far more than most budgets are made for: there only who runs the gateway states them.
    """
    if settings.catalogue.fill is not None:
        return frozenset(settings.catalogue.fill)
    counted = ("requests", "concurrent")
    reserves = any(rule.is_hard and rule.resource not in counted for rule in rules(settings))
    taken: tuple[Filled, ...] = ("capabilities", "deviations")
    return frozenset(taken if reserves else (*taken, "output_tokens"))


def fill(settings: Settings, item: Deployment, filled: frozenset[Filled]) -> Fill:
    """What a deployment's tables say of its model.

    A request is kept away only by what is known to be missing: an ability that nobody denies counts as there.
    """
    override = overridden(settings, item.provider, item.model)
    vendor = vendor_of(settings, item.provider)
    listed = (facts_of(vendor, item.model) if vendor else None) or Facts()
    catalogue = Facts(
        context_tokens=listed.window_tokens if "context_tokens" in filled else None,
        output_tokens=listed.output_tokens if "output_tokens" in filled else None,
        abilities=listed.abilities if "capabilities" in filled else {},
    )
    facts = override.over(catalogue)
    able = [name for name in CAPABILITIES if facts.abilities.get(name, True)]
    derived = able if len(able) < len(CAPABILITIES) else None
    return Fill(
        capabilities=derived if item.capabilities is None else item.capabilities,
        context_tokens=_first(item.context_tokens, override.window_tokens, facts.context_tokens),
        output_tokens=_first(item.output_tokens, facts.output_tokens),
    )


def vendor_of(settings: Settings, provider: str) -> str | None:
    """Whose models a provider serves, as the catalogue of models names vendors; None if nobody's known."""
    account = settings.providers[provider]
    return account.vendor or vendor_at(account.base_url)


def _own(deployment: Deployment) -> Facts:
    abilities: dict[Any, bool] = {}
    if deployment.capabilities is not None:
        abilities = {name: name in deployment.capabilities for name in CAPABILITIES}
    return Facts(
        context_tokens=deployment.context_tokens,
        output_tokens=deployment.output_tokens,
        abilities=abilities,
    )


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)
