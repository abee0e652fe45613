"""The price catalogue from the package `genai-prices`: `python -m fastgate.billing.build_catalogue`.

Writes `rust/core/data/prices.json`, one model a line, so that an update of the package shows as changed
lines. A rate is a whole number of picodollars per token (USD per million tokens times 10⁶), or its decimal
text where the vendor's price is finer than that; `[base, [start, rate], …]` where a rate holds from more than
`start` input tokens on. `request` is per call. Models and match clauses keep the package's order: the first
match wins.
"""

import datetime
import json
from collections.abc import Iterator
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers

PACKAGE = "genai-prices"
FILE = Path(__file__).parents[3] / "rust" / "core" / "data" / "prices.json"

# Prices that usage can be multiplied with, by the package's name.
RATES = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "input_image_mtok": "input_image",
    "cache_image_read_mtok": "cache_read_image",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "requests_kcount": "request",
}
# What is billed by something that no token count tells. A model with such prices alone has an unknown cost;
# beside token prices they are left out.
OTHER_METERS = {
    "audio_hours",
    "input_annotated_document_kpages",
    "input_audio_hours",
    "input_document_kpages",
    "input_mchars",
    "input_text_messages_kcount",
    "input_video_mtok",
    "output_citation_mtok",
    "output_video_mtok",
    "storage_searches_kcount",
    "web_searches_kcount",
}


def catalogue() -> str:
    """The file's text."""
    head = {"package": PACKAGE, "version": version(PACKAGE)}
    lines = [f"{_compact(head)[:-1]},"]
    lines.append('"providers":[')
    for position, provider in enumerate(providers):
        lines.append(_compact(_provider(provider))[:-1] + ',"models":[')
        models = [_compact(_model(model)) for model in provider.models]
        lines += [line + "," for line in models[:-1]] + models[-1:]
        lines.append("]}" if position == len(providers) - 1 else "]},")
    return "\n".join([*lines, "]}"]) + "\n"


def _provider(provider: types.Provider) -> dict[str, Any]:
    found: dict[str, Any] = {"id": provider.id, "api": _pattern(provider.api_pattern)}
    if provider.provider_match:
        found["provider_match"] = _clause(provider.provider_match)
    if provider.model_match:
        found["model_match"] = _clause(provider.model_match)
    if provider.fallback_model_providers:
        found["fallback"] = provider.fallback_model_providers
    return found


def _model(model: types.ModelInfo) -> dict[str, Any]:
    prices = model.prices
    if isinstance(prices, types.ModelPrice):
        prices = [types.ConditionalPrice(prices=prices)]
    found: dict[str, Any] = {"id": model.id, "match": _clause(model.match)}
    found["prices"] = [_constraint(price.constraint) | _rates(price.prices) for price in prices]
    if model.price_variants:
        found["variants"] = [
            {"when": variant.when, **_constraint(variant.constraint), **_rates(variant.prices)}
            for variant in model.price_variants
        ]
    return found


def _constraint(
    constraint: types.StartDateConstraint | types.TimeOfDateConstraint | None,
) -> dict[str, Any]:
    if constraint is None:
        return {}
    if isinstance(constraint, types.StartDateConstraint):
        start = datetime.datetime.combine(constraint.start_date, datetime.time(), datetime.UTC)
        return {"from_unix_s": int(start.timestamp())}
    return {"daily_s": [_second_of_day(constraint.start_time), _second_of_day(constraint.end_time)]}


def _second_of_day(time: datetime.time) -> int:
    if time.tzinfo not in (None, datetime.UTC) or time.microsecond:
        raise ValueError(f"a time of day must be in whole seconds of UTC, not {time!r}")
    return time.hour * 3600 + time.minute * 60 + time.second


def _rates(prices: types.ModelPrice) -> dict[str, Any]:
    rates, others = {}, []
    for key, price in vars(prices).items():
        if price is None:
            continue
        if key in RATES:
            rates[RATES[key]] = _rate(price, 10**9 if key == "requests_kcount" else 10**6)
        elif key in OTHER_METERS:
            others.append(key)
        else:
            raise ValueError(f"{PACKAGE} prices {key}, which neither RATES nor OTHER_METERS knows")
    return {"rates": rates} | ({"other": sorted(others)} if others else {})


def _rate(price: Decimal | types.TieredPrices, scale: int) -> Any:
    if isinstance(price, types.TieredPrices):
        return [_rate(price.base, scale), *([tier.start, _rate(tier.price, scale)] for tier in price.tiers)]
    picodollars = price * scale
    return int(picodollars) if picodollars == int(picodollars) else f"{picodollars.normalize():f}"


# Names are compared in lower case; the package does so for all but regular expressions.
_COMPARISONS: dict[type, str] = {
    types.ClauseEquals: "equals",
    types.ClauseStartsWith: "starts_with",
    types.ClauseEndsWith: "ends_with",
    types.ClauseContains: "contains",
}


def _clause(clause: Any) -> dict[str, Any]:
    match clause:
        case types.ClauseOr():
            return {"any": [_clause(part) for part in clause.or_]}
        case types.ClauseAnd():
            return {"all": [_clause(part) for part in clause.and_]}
        case types.ClauseRegex():
            return _regular_expression(clause.regex)
    (text,) = vars(clause).values()
    return {_COMPARISONS[type(clause)]: text.lower()}


def _regular_expression(pattern: str) -> dict[str, Any]:
    """`^(?!X)Y` becomes "not ^X, and ^Y": the engine's expressions have no look-ahead."""
    if not pattern.startswith("^(?!"):
        return {"regex": _pattern(pattern)}
    end = next(_closing(pattern, 1))
    parts: list[dict[str, Any]] = [{"not": {"regex": _pattern("^" + pattern[4:end])}}]
    if rest := pattern[end + 1 :]:
        parts.append({"regex": _pattern("^" + rest)})
    return {"all": parts}


def _closing(pattern: str, opening: int) -> Iterator[int]:
    """Where the bracket at `opening` closes. The package's patterns hold no bracket in a class."""
    depth = 0
    for position in range(opening, len(pattern)):
        depth += {"(": 1, ")": -1}.get(pattern[position], 0)
        if depth == 0:
            yield position


def _pattern(pattern: str) -> str:
    if any(look_around in pattern for look_around in ("(?!", "(?<", "(?=")):
        raise ValueError(f"{PACKAGE} matches by {pattern}, which nothing here can express")
    return pattern


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(catalogue(), encoding="utf-8")
    print(
        f"{FILE}: {PACKAGE} {version(PACKAGE)}, {sum(len(provider.models) for provider in providers)} models"
    )
