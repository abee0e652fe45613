"""What vendors' models are known to do: sizes, abilities, deviations (`models.toml`), and the windows that
the package `genai-prices` lists (`windows.json`).

A fact of the overlay is about a model at its vendor's own API. Nothing here guesses: a fact that nobody
states is absent, and what is absent is neither yes nor no.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from fastgate import _core

Ability: TypeAlias = Literal[
    "tools",
    "parallel_tools",
    "json_mode",
    "json_schema",
    "reasoning",
    "reasoning_budget",
    "prefill",
    "image_input",
    "audio_input",
    "video_input",
    "file_input",
    "audio_output",
    "image_output",
]
Kind: TypeAlias = Literal["chat", "embedding", "audio", "image", "moderation"]

# What stands behind a model's name where a vendor pins a version of it.
_VERSION = re.compile(r"(-latest|[-@]20\d{6}|-20\d\d-\d\d-\d\d)$")


class Facts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a model; None and a missing ability: nobody says."""

    kind: Kind | None = None
    context_tokens: int | None = None
    """The window, input and output together."""
    input_tokens: int | None = None
    """The most input, where the vendor limits it apart from output."""
    output_tokens: int | None = None
    """The largest maximum of output it takes."""
    abilities: dict[Ability, bool] = {}
    efforts: tuple[str, ...] | None = None
    """Levels of reasoning effort it takes; empty: none."""
    renames: dict[str, str] | None = None
    """Fields of OpenAI's chat request that it wants by another name."""
    refuses: tuple[str, ...] | None = None
    """Fields that it answers with 400, other than with their default."""
    refuses_reasoning: tuple[str, ...] | None = None
    """The same, but only while it reasons."""
    one_of: tuple[str, ...] | None = None
    """Fields of which a request may have one."""

    def over(self, other: "Facts") -> "Facts":
        """These facts, and where they say nothing the other's."""
        stated = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(
            other, **{**stated, "abilities": {**other.abilities, **self.abilities}}
        )

    @property
    def window_tokens(self) -> int | None:
        """The most that input and output can be together; None if not both are known."""
        if self.context_tokens is not None:
            return self.context_tokens
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


class Entry(msgspec.Struct, frozen=True):
    """A model, or a family of models, of one vendor."""

    names: tuple[str, ...]
    starts_with: tuple[str, ...]
    regex: re.Pattern[str] | None
    facts: Facts

    def matches(self, name: str) -> bool:
        """Whether a name means it; `name` in lower case."""
        if name in self.names or _VERSION.sub("", name) in self.names:
            return True
        if self.starts_with and name.startswith(self.starts_with):
            return True
        return self.regex is not None and self.regex.fullmatch(name) is not None


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vendor with entries of its own."""

    hosts: tuple[str, ...]
    package: str | None = None
    """Its id in `genai-prices`."""


class Overlay(msgspec.Struct, frozen=True):
    """All of `models.toml`."""

    vendors: dict[str, Vendor]
    entries: dict[str, tuple[Entry, ...]]


@cache
def overlay() -> Overlay:
    """The bundled overlay."""
    return read_overlay(Path(__file__).with_name("models.toml").read_text(encoding="utf-8"))


def read_overlay(text: str) -> Overlay:
    """An overlay from its TOML.

    Raises:
        ValueError: It is not well-formed; says which entry.
    """
    values, _ = _core.read_toml(text)
    families = values.get("families", {})
    vendors = msgspec.convert(values["vendors"], dict[str, Vendor])
    if unknown := values["models"].keys() - vendors.keys():
        raise ValueError(f"entries of vendors without a line: {sorted(unknown)}")
    entries = {
        vendor: tuple(_entry(entry, families) for entry in listed)
        for vendor, listed in values["models"].items()
    }
    return Overlay(vendors, entries)


class Listing(msgspec.Struct, frozen=True):
    """The models of one vendor."""

    package: str
    """What `genai-prices` calls the vendor."""
    models: tuple[str, ...]


@cache
def catalogue_models() -> dict[str, Listing]:
    """Every vendor and its models: those that `genai-prices` lists, and entries of the overlay it has not."""
    vendors, listed = overlay().vendors, package_models()
    found = {}
    for name, vendor in vendors.items():
        package = vendor.package or name
        models = tuple(listed.get(package, ()))
        lowered = [model.lower() for model in models]
        further = (
            model
            for entry in overlay().entries.get(name, ())
            if not any(entry.matches(model) for model in lowered)
            for model in entry.names
        )
        found[name] = Listing(package, (*models, *further))
    named = {vendor.package for vendor in vendors.values()}
    return found | {
        name: Listing(name, tuple(models)) for name, models in listed.items() if name not in named
    }


def vendor_at(base_url: str) -> str | None:
    """The vendor whose own API has this address; None for every other host."""
    host = (urlsplit(base_url).hostname or "").lower()
    return next((name for name, vendor in overlay().vendors.items() if host in vendor.hosts), None)


def facts_of(vendor: str, model: str) -> Facts | None:
    """What the overlay says of a vendor's model, by the name that the vendor knows it by; None if nothing."""
    name = model.lower()
    found = (entry.facts for entry in overlay().entries.get(vendor, ()) if entry.matches(name))
    return next(found, None)


def listed_window(model: str, *, provider: str | None = None, base_url: str | None = None) -> int | None:
    """The window in tokens that `genai-prices` lists, found as a price is (`fastgate._core.rates`).

    Display only: it is input alone for some models, and older than the vendor's page for others.
    """
    listing = _core.rates(model, provider=provider, base_url=base_url)
    if listing is None:
        return None
    listed = package_models()
    owners = [listing["provider"], *_package().get(listing["provider"], {}).get("fallback", ())]
    owner = next((owner for owner in owners if listing["model"] in listed.get(owner, {})), None)
    return None if owner is None else listed[owner][listing["model"]]


@cache
def package_models() -> dict[str, dict[str, int | None]]:
    """Windows in tokens by provider and model, by the package's ids."""
    return {provider: entry["models"] for provider, entry in _package().items()}


@cache
def _package() -> dict[str, Any]:
    text = Path(__file__).with_name("windows.json").read_text(encoding="utf-8")
    providers: dict[str, Any] = json.loads(text)["providers"]
    return providers


def _entry(values: Mapping[str, Any], families: Mapping[str, Any]) -> Entry:
    rest = dict(values)
    names, starts_with = rest.pop("names", ()), rest.pop("starts_with", ())
    regex = rest.pop("regex", None)
    shown = [*names, *starts_with, *([regex] if regex else ())]
    if not shown:
        raise ValueError("an entry without names, starts_with and regex")
    try:
        facts = _inherited(rest, families)
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"{shown[0]}: {error}") from None
    if facts.kind is None:
        facts = msgspec.structs.replace(facts, kind="chat")
    return Entry(tuple(names), tuple(starts_with), re.compile(regex) if regex else None, facts)


def _inherited(values: Mapping[str, Any], families: Mapping[str, Any]) -> Facts:
    own, *parents = _lineage(values, families)
    facts = _facts(own)
    for parent in parents:
        facts = facts.over(_facts(parent))
    return facts


def _lineage(values: Mapping[str, Any], families: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """An entry and what it is like, the nearest first."""
    seen: set[str] = set()
    while True:
        yield values
        like = values.get("like")
        if like is None:
            return
        if like in seen or like not in families:
            raise ValueError(f"like = {like!r} leads nowhere")
        seen.add(like)
        values = families[like]


def _facts(values: Mapping[str, Any]) -> Facts:
    rest = {name: value for name, value in values.items() if name not in ("like", "can", "cannot")}
    able = dict.fromkeys(values.get("can", ()), True)
    unable = dict.fromkeys(values.get("cannot", ()), False)
    if both := able.keys() & unable.keys():
        raise ValueError(f"can and cannot {sorted(both)}")
    return msgspec.convert({**rest, "abilities": {**able, **unable}}, Facts)
