"""What `fastgate models` prints for people."""

import textwrap
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from fastgate.cli.columns import table
from fastgate.cli.model_rows import ABILITIES
from fastgate.cli.terminal import Style, name

# One letter each in the table.
LETTERS = {
    "T": "tools",
    "S": "json_schema",
    "R": "reasoning",
    "I": "image_input",
    "A": "audio_input",
    "F": "file_input",
    "O": "audio_output",
}
LEGEND = "can: T tools, S JSON schema, R reasoning; I image, A audio, F file in; O audio out; · no, - unknown"
SOURCES = {"config": "configuration", "catalogue": "vendor's documentation", "package": "genai-prices"}
# The same in a column.
_SHORT = {"config": "config", "catalogue": "docs", "package": "list"}
METERS = {"input": "in", "cached_input": "cached", "output": "out"}
_SIZES = {"context_tokens": "context", "input_tokens": "input", "output_tokens": "output"}
_REFUSALS = {"refuses": "refuses", "refuses_reasoning": "  reasoning", "one_of": "only one of"}
_HEADING = ("model", "at", "context", "output", "can", "in", "cached", "out", "from")
_NUMBERS = {2, 3, 5, 6, 7}
# Names are cut below this only if the terminal is narrower than the rest.
_NARROWEST_NAME = 12
# Finer prices are rounded here, and exact in the details.
_LONGEST_PRICE = 7
PRICES = "in, cached, out: USD per million tokens, of short inputs; `fastgate models NAME` says more"
ORIGINS = "from: config, docs (of the vendor), list (genai-prices)"


def overview(document: dict[str, Any], style: Style, width: int) -> str:
    """Models in a table, the names that lead to them, and what open providers serve beside."""
    parts = []
    if models := document["models"]:
        legend = "\n".join(map(style.dim, (LEGEND, PRICES, ORIGINS)))
        parts.append(f"{_models(models, style, width)}\n{legend}")
    if names := document["names"]:
        rows = [("name", "leads to")]
        rows += [(name(entry["name"], width // 3), _leads(entry, width)) for entry in names]
        parts.append(_headed(table(rows), style))
    parts += map(_opened, document["open_providers"])
    return "\n\n".join(parts) or "nothing is served by name"


def _opened(entry: dict[str, Any]) -> str:
    provider, prefixes = entry["provider"], entry["prefixes"]
    bare = ", ".join(f"{prefix}…" for prefix in prefixes[:4]) + (", and more" if prefixes[4:] else "")
    also = "any bare name" if entry["any"] else bare
    return f"{provider} serves {provider}/<any model>" + (f", and {also}" if also else "")


def details(document: dict[str, Any], style: Style) -> str:
    """Everything that is known of each model, with who says so."""
    return "\n\n".join("\n".join(_detail(model, style)) for model in document["models"])


def _models(models: list[dict[str, Any]], style: Style, width: int) -> str:
    rows = [_HEADING[2:], *map(_figures, models)]
    taken = sum(2 + max(len(row[column]) for row in rows) for column in range(len(rows[0])))
    at = min(max(2, *(len(model["provider"]) for model in models)), 12)
    most = max(_NARROWEST_NAME, width - taken - at - 2)
    names = [_HEADING[:2], *((name(model["name"], most), name(model["provider"], at)) for model in models)]
    return _headed(
        table([(*left, *row) for left, row in zip(names, rows, strict=True)], right=_NUMBERS), style
    )


def _figures(model: dict[str, Any]) -> tuple[str, ...]:
    return (
        _count(model["context_tokens"] or model["input_tokens"]),
        _count(model["output_tokens"]),
        "".join(_letter(letter, model[ability]) for letter, ability in LETTERS.items()),
        *(_price(model[f"{meter}_usd_per_million_tokens"]) for meter in METERS),
        _origin(model),
    )


def _headed(text: str, style: Style) -> str:
    head, newline, rest = text.partition("\n")
    return f"{style.bold(head)}{newline}{rest}"


def _leads(entry: dict[str, Any], width: int) -> str:
    return name(", ".join(entry["deployments"]), width - width // 3 - 2)


def _letter(letter: str, known: bool | None) -> str:
    return "-" if known is None else letter if known else "·"


def _origin(model: dict[str, Any]) -> str:
    """Who says anything of the row."""
    said = {source for field, source in model["sources"].items() if field != "kind"} | {model["price_source"]}
    return "+".join(short for source, short in _SHORT.items() if source in said) or "-"


def _count(tokens: int | None) -> str:
    return "-" if tokens is None else f"{tokens:,}"


def _price(text: str | None) -> str:
    if text is None:
        return "-"
    return text if len(text) <= _LONGEST_PRICE else f"{Decimal(text):.3g}"


def _detail(model: dict[str, Any], style: Style) -> Iterator[str]:
    sources = model["sources"]
    named = "" if model["name"] == model["model"] else f", {model['model']}"
    yield f"{style.bold(model['name'])}{named} at {model['provider']}"
    for field, label in _SIZES.items():
        if model[field] is not None or field != "input_tokens":
            value = "-" if model[field] is None else f"{model[field]:,} tokens"
            yield from _wrapped(label, value, sources.get(field), style)
    for label, answer in (("can", True), ("can't", False)):
        by_source = dict[str, list[str]]()
        for ability in ABILITIES:
            if model[ability] is answer:
                by_source.setdefault(sources[ability], []).append(ability)
        for source, abilities in by_source.items():
            yield from _wrapped(label, ", ".join(abilities), source, style)
    if unknown := [ability for ability in ABILITIES if model[ability] is None]:
        yield from _wrapped("unknown", ", ".join(unknown), None, style)
    if model["efforts"] is not None:
        yield from _wrapped("efforts", ", ".join(model["efforts"]) or "takes none", sources["efforts"], style)
    if model["renames"]:
        renamed = ", ".join(f"{old} as {new}" for old, new in model["renames"].items())
        yield from _wrapped("wants", renamed, sources["renames"], style)
    for field, label in _REFUSALS.items():
        if model[field]:
            yield from _wrapped(label, ", ".join(model[field]), sources[field], style)
    rates = {label: model[f"{meter}_usd_per_million_tokens"] for meter, label in METERS.items()}
    said = ", ".join(f"{rate} {label}" for label, rate in rates.items() if rate is not None)
    price = f"{said} USD per million tokens" if said else "-"
    yield from _wrapped("price", price, model["price_source"], style)


def _wrapped(label: str, value: str, source: str | None, style: Style) -> Iterator[str]:
    """A fact on lines of at most 100 columns, who says it behind the first."""
    first, *rest = textwrap.wrap(value, 60, break_long_words=False)
    yield f"  {label:<12}{first:<62}{style.dim(SOURCES[source])}" if source else f"  {label:<12}{first}"
    for more in rest:
        yield f"  {'':<12}{more}"
