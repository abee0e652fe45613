"""`price` against plain Python over the same published rates; against `genai-prices`: tests/billing."""

from hypothesis import given
from hypothesis import strategies as st
from tests.reference.price import INPUT, OUTPUT, price_pusd

from fastgate._core import rates
from fastgate.core import price

# Plain, with tiers, with hours of the day, with a fee, with service tiers, free, unknown.
MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-5"),
    ("openai", "gpt-4o-audio-preview"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("deepseek", "deepseek-v4-pro"),
    ("perplexity", "sonar-pro"),
    ("openai", "whisper-1"),
]
CONTEXTS = [{}, {"processing": "batch"}, {"service_tier": "priority"}, {"service_tier": "flex"}]


@given(
    model=st.sampled_from(MODELS),
    usage=st.dictionaries(st.sampled_from([*INPUT, *OUTPUT]), st.integers(0, 400_000)),
    at=st.integers(1_700_000_000, 1_900_000_000),
    context=st.sampled_from(CONTEXTS),
)
def test_equals_the_reference(
    model: tuple[str, str], usage: dict[str, int], at: int, context: dict[str, str]
) -> None:
    provider, name = model
    published = rates(name, provider=provider)
    assert published is not None, model
    found = price(name, provider=provider, at=at, context=context, **usage)
    assert (found and found.total_pusd) == price_pusd(published, usage, at, context)
