"""A model as `fastgate models` shows it: facts with who says each, prices, deviations."""

from typing import TYPE_CHECKING, Any, get_args

from fastgate._core import rates
from fastgate.catalogue.models import Ability, Facts, facts_of, listed_window
from fastgate.cli.prices import usd_per_million_tokens

if TYPE_CHECKING:
    from fastgate.config.settings import Deployment, Settings

ABILITIES: tuple[Ability, ...] = get_args(Ability)
# Field of a row, and the meters that tell it, the first that has a rate.
_PRICES = {
    "input_usd_per_million_tokens": ("input",),
    "cached_input_usd_per_million_tokens": ("cache_read",),
    "output_usd_per_million_tokens": ("output",),
}


def row(
    settings: "Settings",
    name: str,
    *,
    provider: str,
    model: str,
    deployment: "Deployment | None",
    now_unix_s: int,
) -> dict[str, Any]:
    """A model that a configuration serves; `name`: the deployment's id, or what a client would ask for."""
    from fastgate.config.model_facts import known

    found = known(settings, provider, model, deployment)
    own = next((price for key in (name, model) if (price := settings.prices.get(key))), None)
    if own is not None:
        card = {meter: str(rate) for meter, rate in own.rates().items()}
        priced = _prices(card, "config")
    else:
        priced = _listed_prices(model, provider, settings.providers[provider].base_url, now_unix_s)
    return {
        "deployment": name if deployment is not None else None,
        "name": name,
        "provider": provider,
        "model": model,
        "region": deployment.region if deployment is not None else None,
        **_facts(found.facts),
        **priced,
        "sources": dict(found.sources),
    }


def listed_row(vendor: str, owner: str, model: str, *, now_unix_s: int) -> dict[str, Any]:
    """A model of the catalogue; `owner`: what `genai-prices` calls the vendor."""
    from fastgate.config.model_facts import Source, merged

    layers: list[tuple[Source, Facts]] = []
    if (facts := facts_of(vendor, model)) is not None:
        layers.append(("catalogue", facts))
    if (window := listed_window(model, provider=owner)) is not None:
        layers.append(("package", Facts(context_tokens=window)))
    facts, sources = merged(layers)
    return {
        "deployment": None,
        "name": model,
        "provider": vendor,
        "model": model,
        "region": None,
        **_facts(facts),
        **_listed_prices(model, owner, None, now_unix_s),
        "sources": sources,
    }


def _facts(facts: Facts) -> dict[str, Any]:
    """Every field, None for unknown."""
    return {
        "kind": facts.kind,
        "context_tokens": facts.context_tokens,
        "input_tokens": facts.input_tokens,
        "output_tokens": facts.output_tokens,
        **{name: facts.abilities.get(name) for name in ABILITIES},
        "efforts": facts.efforts,
        "renames": facts.renames,
        "refuses": facts.refuses,
        "refuses_reasoning": facts.refuses_reasoning,
        "one_of": facts.one_of,
    }


def _listed_prices(model: str, provider: str, base_url: str | None, now_unix_s: int) -> dict[str, Any]:
    listing = rates(model, provider=provider, base_url=base_url)
    if listing is None:
        return _prices({}, None)
    holding = listing["prices"][0]
    second = now_unix_s % 86_400
    for dated in listing["prices"]:
        start, daily = dated["from_unix_s"], dated["daily_s"]
        if (start is None or start <= now_unix_s) and (daily is None or daily[0] <= second < daily[1]):
            holding = dated
    card = {meter: steps[0][1] for meter, steps in holding["rates"].items()}
    return _prices(card, "package" if card else None)


def _prices(card: dict[str, str], source: str | None) -> dict[str, Any]:
    """Prices of the shortest input, as decimal text."""
    found = {
        field: next((usd_per_million_tokens(card[meter]) for meter in meters if meter in card), None)
        for field, meters in _PRICES.items()
    }
    return {**found, "price_source": source}
