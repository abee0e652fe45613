"""Where vendors and models depart from their dialect, as the tables have it."""

import json
from typing import Any

import pytest

from fastgate import _core
from fastgate.catalogue.models import overlay
from fastgate.catalogue.vendors import vendors
from fastgate.config import compile_tables, load_text
from fastgate.config.deviations import LEFT_OUT


def compiled(provider: str, more: str = "") -> Any:
    document = compile_tables(load_text(f'[providers.{provider}]\napi_key = "x"\n{more}', {}))
    _core.check_tables(document)
    return json.loads(document)


def deployed(provider: str, model: str, more: str = "") -> dict[str, Any]:
    rest = f'[deployments.d]\nprovider = "{provider}"\nmodel = "{model}"\n{more}'
    found: dict[str, Any] = compiled(provider, rest)["deployments"][0]["deviations"]
    return found


def test_a_vendors_and_a_models_count_together() -> None:
    assert deployed("mistral", "mistral-small-latest") == {
        "renames": [["max_completion_tokens", "max_tokens"], ["seed", "random_seed"]],
        "drops": ["messages.name", "safety_identifier", "store", "user", "verbosity", "stream_options"],
    }
    gpt = deployed("openai", "gpt-5")
    assert gpt["drops"] == ["frequency_penalty", "presence_penalty", "temperature", "top_p"]
    assert (gpt["reasoning"], gpt["efforts"]) == ("words", ["minimal", "low", "medium", "high"])
    assert deployed("openai", "gpt-5.2")["drops_reasoning"] == ["temperature", "top_p"]


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929", ("tokens", None, [["temperature", "top_p"]])),
        ("anthropic", "claude-opus-4-6", ("words", ["low", "medium", "high", "max"], None)),
        ("gemini", "gemini-2.5-flash", ("tokens", None, None)),
        ("gemini", "gemini-3-flash-preview", ("words", ["minimal", "low", "medium", "high"], None)),
        ("xai", "grok-4", (None, [], None)),
    ],
)
def test_how_a_model_is_asked_to_think(provider: str, model: str, expected: object) -> None:
    found = deployed(provider, model)
    assert (found.get("reasoning"), found.get("efforts"), found.get("one_of")) == expected


def test_what_is_configured_counts_first_and_the_rest_can_be_switched_off() -> None:
    rules = '[catalogue.models."gpt-5*"]\nrefuses = ["user"]\nefforts = ["low"]\n'
    found = deployed("openai", "gpt-5", rules)
    assert (found["drops"], found["efforts"]) == (["user"], ["low"])
    assert found["renames"] == [["max_tokens", "max_completion_tokens"]]
    off = "[catalogue]\nfill = []\n"
    assert deployed("openai", "gpt-5", off) == {}
    assert deployed("openai", "gpt-5", off + rules)["drops"] == ["user"]
    assert deployed("mistral", "m", off) == {"drops": ["stream_options"]}


def test_an_address_of_ones_own_departs_from_nothing() -> None:
    own = compiled("mistral", 'base_url = "https://llm.example.com/v1"\n')
    assert own["providers"][0]["responses"]
    assert own["deployments"][0]["deviations"] == {}
    assert own["deployments"][0]["models"] == {"names": {}, "starts_with": []}


def test_responses_are_there_where_the_vendor_or_the_configuration_says_so() -> None:
    def has(provider: str, more: str = "") -> bool:
        found: bool = compiled(provider, more)["providers"][0]["responses"]
        return found

    assert (has("openai"), has("mistral"), has("groq")) == (True, False, True)
    assert has("mistral", "responses = true\n")
    assert not has("ours", 'base_url = "https://llm.example.com/v1"\nresponses = false\n')
    # A second account at a vendor has what the vendor has.
    assert not has("mine", 'base_url = "https://api.mistral.ai/v1"\n')


def test_a_provider_without_deployments_knows_its_models() -> None:
    def model(provider: str, name: str, more: str = "") -> Any:
        models = compiled(provider, more)["deployments"][0]["models"]
        starts = (facts for start, facts in models["starts_with"] if name.startswith(start))
        return models["names"].get(name) or next(starts, None)

    assert model("anthropic", "claude-opus-4-7")["output_tokens"] == 128_000
    assert model("anthropic", "claude-opus-4-7-20991231") == model("anthropic", "claude-opus-4-7")
    assert model("openai", "gpt-5")["deviations"]["reasoning"] == "words"
    assert model("openai", "unheard-of") is None
    # Under a hard limit the sizes are nobody's but the configuration's.
    hard = '[[limits]]\nusd = 5\nwindow = "month"\n'
    assert model("anthropic", "claude-opus-4-7", hard)["output_tokens"] is None
    named = (
        '[catalogue.models."ours/small"]\nrefuses = ["seed"]\n[catalogue.models."big*"]\nrefuses = ["user"]\n'
    )
    ours = 'base_url = "https://llm.example.com/v1"\n' + named
    assert model("ours", "small", ours)["deviations"] == {"drops": ["seed"]}
    assert model("ours", "bigger", ours)["deviations"] == {"drops": ["user"]}
    longer = ours + '[catalogue.models."bigge*"]\nrefuses = ["store"]\n'
    assert model("ours", "bigger", longer)["deviations"] == {"drops": ["store"]}


def test_what_is_left_out_is_refused_by_somebody_or_of_no_use() -> None:
    """A word that nobody refuses is a misspelt one, bar those which chat servers are known to refuse."""
    refused = {field for vendor in vendors().values() for field in vendor.refuses}
    for entries in overlay().entries.values():
        for entry in entries:
            refused |= {*(entry.facts.refuses or ()), *(entry.facts.refuses_reasoning or ())}
    assert LEFT_OUT - refused <= {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "seed",
        "service_tier",
    }
