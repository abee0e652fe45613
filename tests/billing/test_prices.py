"""Prices equal those of `genai-prices` to the picodollar, over its whole catalogue."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage, calc_price, types
from genai_prices.data import providers
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from fastgate import _core
from fastgate.billing import build_catalogue

FIXTURE = Path(__file__).parents[3] / "shared" / "fixtures" / "prices" / "prices.jsonl"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CLASSES = (
    *("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens"),
    *("cache_write_other_tokens", "input_audio_tokens", "input_image_tokens", "cache_read_audio_tokens"),
    *("cache_read_image_tokens", "output_tokens", "reasoning_tokens", "output_audio_tokens"),
    "output_image_tokens",
)


def picodollars(dollars: Decimal) -> int:
    return int((dollars * 10**12).quantize(Decimal(1)))


def nested(tokens: dict[str, int]) -> Usage:
    """The package's counts, each of which holds those below it."""
    of = tokens.get
    cached = {kind: of(f"cache_read_{kind}_tokens", 0) for kind in ("audio", "image")}
    written = sum(of(f"cache_write_{kind}_tokens", 0) for kind in ("5m", "1h", "other"))
    return Usage(
        input_tokens=sum(count for name, count in tokens.items() if name in CLASSES[:9]),
        cache_read_tokens=of("cache_read_tokens", 0) + sum(cached.values()),
        cache_write_tokens=written,
        cache_write_5m_tokens=of("cache_write_5m_tokens", 0),
        cache_write_1h_tokens=of("cache_write_1h_tokens", 0),
        input_audio_tokens=of("input_audio_tokens", 0) + cached["audio"],
        input_image_tokens=of("input_image_tokens", 0) + cached["image"],
        cache_audio_read_tokens=cached["audio"],
        cache_image_read_tokens=cached["image"],
        output_tokens=sum(count for name, count in tokens.items() if name in CLASSES[9:]),
        output_reasoning_tokens=of("reasoning_tokens", 0),
        output_audio_tokens=of("output_audio_tokens", 0),
        output_image_tokens=of("output_image_tokens", 0),
    )


def oracle(
    model: str, tokens: dict[str, int], provider: str | None, at: datetime, context: dict[str, str]
) -> tuple[int, int, int] | None:
    """Total, input and output; None for an unknown name and for what is billed by other things alone."""
    try:
        found = calc_price(
            nested(tokens),
            model,
            provider_id=provider,
            genai_request_timestamp=at,
            price_context=context or None,
        )
    except LookupError:
        return None
    standard = {key for key, value in vars(found.model.get_prices(at)).items() if value is not None}
    if standard and standard <= build_catalogue.OTHER_METERS:
        return None
    return (
        picodollars(found.total_price),
        picodollars(found.input_price),
        picodollars(found.output_price),
    )


def ours(
    model: str, tokens: dict[str, int], provider: str | None, at: datetime, context: dict[str, str]
) -> tuple[int, int, int] | None:
    counts: Any = tokens
    found = _core.price(model, provider=provider, at=int(at.timestamp()), context=context, **counts)
    return found and (found.total_pusd, found.input_pusd, found.output_pusd)


def names_of(clause: Any) -> Iterator[str]:
    """Names that a clause is about, or nearly: both sides must say the same of each."""
    match clause:
        case types.ClauseOr(or_=parts) | types.ClauseAnd(and_=parts):
            for part in parts:
                yield from names_of(part)
        case types.ClauseRegex(regex=pattern):
            plain = (
                pattern.strip("^$")
                .replace("\\d{8}", "20251211")
                .replace("\\d{4}-\\d{2}-\\d{2}", "2025-12-11")
            )
            yield plain.replace("\\", "").replace("[-@]", "@")
        case _:
            (text,) = vars(clause).values()
            yield text
            yield f"{text.upper()}-20251211"


def models() -> Iterator[tuple[str, types.ModelInfo, str]]:
    for provider in providers:
        for model in provider.models:
            for name in dict.fromkeys((model.id, *names_of(model.match))):
                yield provider.id, model, name


def moments(model: types.ModelInfo) -> Iterator[datetime]:
    """Now, and both sides of every moment at which a price changes."""
    yield NOW
    constraints = [price.constraint for price in model.prices] if isinstance(model.prices, list) else []
    for constraint in constraints + [variant.constraint for variant in model.price_variants or ()]:
        if isinstance(constraint, types.StartDateConstraint):
            start = datetime.combine(constraint.start_date, datetime.min.time(), UTC)
            yield from (start - timedelta(seconds=1), start)
        elif constraint is not None:
            for time in (constraint.start_time, constraint.end_time):
                turn = datetime.combine(NOW.date(), time)
                yield from (turn - timedelta(seconds=1), turn)


def test_the_whole_catalogue_costs_what_the_package_says() -> None:
    random_of = random.Random(4)
    seen = set()
    for provider, model, name in models():
        contexts = [{}, *(variant.when for variant in model.price_variants or ())]
        for context in contexts:
            for at in moments(model):
                tokens = {key: random_of.choice((0, 1, 7, 30_011, 90_001)) for key in CLASSES}
                expected = oracle(name, tokens, provider, at, context)
                assert ours(name, tokens, provider, at, context) == expected, (
                    provider,
                    name,
                    tokens,
                    at,
                    context,
                )
                seen.add(expected is None)
        assert ours(name, {"input_tokens": 3}, None, NOW, {}) == oracle(
            name, {"input_tokens": 3}, None, NOW, {}
        ), name
    assert seen == {True, False}


def thresholds() -> list[tuple[str, str, int]]:
    found = []
    for provider in providers:
        for model in provider.models:
            for price in vars(model.get_prices(NOW)).values():
                if isinstance(price, types.TieredPrices):
                    found += [(provider.id, model.id, tier.start) for tier in price.tiers]
    return sorted(set(found))


def test_both_sides_of_every_threshold() -> None:
    assert len(thresholds()) > 50
    for provider, model, start in thresholds():
        for above in (0, 1):
            tokens = {"input_tokens": start - 10 + above, "cache_read_tokens": 10, "output_tokens": 13}
            assert ours(model, tokens, provider, NOW, {}) == oracle(model, tokens, provider, NOW, {}), model


@given(
    st.sampled_from([(provider.id, model.id) for provider in providers for model in provider.models]),
    st.dictionaries(st.sampled_from(CLASSES), st.integers(0, 10**9)),
    st.datetimes(datetime(2023, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
)
def test_any_usage_at_any_time(model: tuple[str, str], tokens: dict[str, int], at: datetime) -> None:
    provider, name = model
    assert ours(name, tokens, provider, at, {}) == oracle(name, tokens, provider, at, {})


@pytest.mark.parametrize(
    "hint",
    [
        *(
            "OpenAI ",
            "xai",
            "bedrock",
            "amazon",
            "google-vertex",
            "gemini",
            "moonshot",
            "together_ai",
            "azure",
        ),
        *("huggingface-groq", "mistralai", "nobody", ""),
    ],
)
def test_a_provider_is_known_by_what_people_call_it(hint: str) -> None:
    snapshot = get_snapshot()
    for name in (
        "gpt-4o",
        "grok-4",
        "gemini-2.5-pro",
        "kimi-k2",
        "openai/gpt-oss-20b",
        "mistral-large-latest",
    ):
        try:
            provider, model = snapshot.find_provider_model(name, None, hint, None)
        except LookupError:
            assert _core.rates(name, provider=hint) is None
            continue
        listing = _core.rates(name, provider=hint)
        assert listing is not None
        assert (listing["provider"], listing["model"]) == (provider.id, model.id)


@pytest.mark.skipif(not FIXTURE.is_file(), reason="priced usages (../shared) are not here")
def test_the_fixture() -> None:
    for line in FIXTURE.read_text().splitlines():
        case = json.loads(line)
        usage = dict(case["usage"])
        reads, writes = usage.get("cache_read_tokens", 0), usage.get("cache_write_tokens", 0)
        audio, audio_out = usage.get("input_audio_tokens", 0), usage.get("output_audio_tokens", 0)
        reasoning = usage.get("output_reasoning_tokens", 0)
        found = _core.price(
            case["model"],
            provider=case["provider"],
            at=int(datetime.fromisoformat(case["at"]).timestamp()),
            input_tokens=usage["input_tokens"] - reads - writes - audio,
            cache_read_tokens=reads,
            cache_write_other_tokens=writes,
            input_audio_tokens=audio,
            output_tokens=usage.get("output_tokens", 0) - reasoning - audio_out,
            reasoning_tokens=reasoning,
            output_audio_tokens=audio_out,
        )
        assert found is not None
        amounts = {"input": found.input_pusd, "output": found.output_pusd, "total": found.total_pusd}
        assert amounts == {key: picodollars(Decimal(text)) for key, text in case["expected_usd"].items()}, (
            case
        )


def test_the_catalogue_is_that_of_the_locked_package() -> None:
    assert build_catalogue.FILE.read_text() == build_catalogue.catalogue(), (
        "run: python -m fastgate.billing.build_catalogue"
    )
    assert build_catalogue.FILE.stat().st_size <= 10**6


def test_a_count_is_never_negative() -> None:
    with pytest.raises(OverflowError):
        _core.price("gpt-4o", provider="openai", input_tokens=-1)
    with pytest.raises(TypeError):
        _core.price("gpt-4o", provider="openai", input_tokens=1.5)  # type: ignore[arg-type]


def test_prices_compare_and_show_their_amounts() -> None:
    price = _core.price("gpt-4o", provider="openai", input_tokens=10, output_tokens=1)
    assert price == _core.price("gpt-4o", input_tokens=10, output_tokens=1)
    assert repr(price) == "Price(total_pusd=35000000, input_pusd=25000000, output_pusd=10000000)"
