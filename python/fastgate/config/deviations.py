"""Where vendors and models depart from their dialect, as the engine's tables have it.

Only what an answer is as good without is taken out of requests; what else a provider refuses is its own to
judge, so that a catalogue which is out of date never refuses what works.
"""

from collections.abc import Set
from functools import cache
from typing import Any

from fastgate.catalogue.models import Facts, catalogue_models, facts_of, overlay
from fastgate.catalogue.vendors import Vendor, vendor_with
from fastgate.config.catalogue_settings import Filled
from fastgate.config.model_facts import overridden, vendor_of
from fastgate.config.settings import Settings

# By the names of the requests that carry them: OpenAI's chat completions and Anthropic's messages.
LEFT_OUT = frozenset(
    (
        "frequency_penalty",
        "messages[].name",
        "metadata",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "safety_identifier",
        "seed",
        "service_tier",
        "store",
        "temperature",
        "top_k",
        "top_p",
        "user",
        "verbosity",
    )
)
# A date or `-latest` behind a name changes nothing.
_VERSIONS = ("-latest", "-20", "@20")


def has_responses(settings: Settings, provider: str) -> bool:
    """Whether OpenAI's Responses are asked of a provider as they are."""
    account = settings.providers[provider]
    if account.responses is not None:
        return account.responses
    vendor = vendor_with(account.base_url)
    return vendor is None or vendor.responses


def deviations(
    settings: Settings, provider: str, model: str | None, filled: frozenset[Filled]
) -> dict[str, Any]:
    """The table of a deployment; `model` None: what holds for every model of the provider."""
    facts = Facts()
    if model is not None:
        facts = overridden(settings, provider, model)
        owner = vendor_of(settings, provider)
        if owner is not None and "deviations" in filled:
            facts = facts.over(facts_of(owner, model) or Facts())
    vendor = vendor_with(settings.providers[provider].base_url) if "deviations" in filled else None
    table = _table(facts, vendor)
    if not settings.providers[provider].stream_usage:
        table["drops"].append("stream_options")
    return {
        name: value for name, value in table.items() if value or (name == "efforts" and value is not None)
    }


def known_models(settings: Settings, provider: str, filled: frozenset[Filled]) -> dict[str, Any]:
    """What is known of the models of a provider that serves any: by whole names, then by their beginnings."""
    owner = vendor_of(settings, provider)
    names: dict[str, dict[str, Any]] = {}
    starts: list[tuple[str, dict[str, Any]]] = []

    @cache
    def known(name: str) -> dict[str, Any]:
        facts = overridden(settings, provider, name)
        if owner is not None and "output_tokens" in filled:
            facts = facts.over(Facts(output_tokens=(facts_of(owner, name) or Facts()).output_tokens))
        return {
            "output_tokens": facts.output_tokens,
            "deviations": deviations(settings, provider, name, filled),
        }

    for pattern in settings.catalogue.models:
        name = pattern.removeprefix(f"{provider}/").lower()
        if name.endswith("*"):
            starts.append((name[:-1], known(name[:-1])))
        else:
            names[name] = known(name)
    # A longer beginning counts before a shorter one.
    starts.sort(key=lambda start: -len(start[0]))
    if owner is not None:
        for name in catalogue_models()[owner].models:
            names.setdefault(name.lower(), known(name.lower()))
        for entry in overlay().entries.get(owner, ()):
            for name in entry.names:
                starts += [(name + version, known(name)) for version in _VERSIONS]
            starts += [(name, known(name)) for name in entry.starts_with]
    plain = {"output_tokens": None, "deviations": deviations(settings, provider, None, filled)}
    return {
        "names": {name: facts for name, facts in names.items() if facts != plain},
        "starts_with": [[name, facts] for name, facts in starts if facts != plain],
    }


def _table(facts: Facts, vendor: Vendor | None) -> dict[str, Any]:
    refused = {*(facts.refuses or ()), *(vendor.refuses if vendor else ())}
    renames = {**(vendor.renames if vendor else {}), **(facts.renames or {})}
    reasoning = _reasoning(facts)
    return {
        "renames": [[name, there] for name, there in renames.items()],
        "drops": _left_out(refused),
        "drops_reasoning": _left_out({*(facts.refuses_reasoning or ())} - refused),
        "one_of": [list(facts.one_of)] if facts.one_of else [],
        "reasoning": reasoning,
        "efforts": None if reasoning == "tokens" or facts.efforts is None else list(facts.efforts),
    }


def _left_out(refused: Set[str]) -> list[str]:
    return [name.replace("[]", "") for name in sorted(refused & LEFT_OUT)]


def _reasoning(facts: Facts) -> str | None:
    """Whether a model is asked to think in words or in tokens; in words where it takes both."""
    if facts.efforts:
        return "words"
    if facts.abilities.get("reasoning_budget"):
        return "tokens"
    is_known = facts.abilities.get("reasoning") and facts.abilities.get("reasoning_budget") is False
    return "words" if is_known else None
