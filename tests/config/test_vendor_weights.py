"""How vendors count tokens: by address and model, and what the settings say instead."""

import json
from typing import Any

import pytest

from fastgate.config import compile_tables, load_text
from fastgate.config.vendor_weights import TokenWeights, shared_weights, weights_of

ANTHROPIC = "https://api.anthropic.com/v1"
BEDROCK = "https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1"
AZURE = "https://acme.openai.azure.com/openai/v1"

ONE_FOR_ONE = TokenWeights()
UNCACHED = TokenWeights(cache_read=0)
RESERVED = TokenWeights(cache_read=0, reserves_max_tokens=True)
CLAUDE = TokenWeights(cache_read=0, output=5000, reserves_max_tokens=True)
ESTIMATED = TokenWeights(reserves_max_tokens=True)


@pytest.mark.parametrize(
    ("base_url", "model", "weights"),
    [
        ("https://api.openai.com/v1", "gpt-4o", ONE_FOR_ONE),
        (ANTHROPIC, "claude-opus-4-8", UNCACHED),
        (ANTHROPIC, None, UNCACHED),
        (ANTHROPIC, "claude-3-5-haiku-20241022", ONE_FOR_ONE),
        ("https://API.Anthropic.com/v1", "claude-opus-4-8", UNCACHED),
        ("https://notapi.anthropic.com.example.com", "claude-opus-4-8", ONE_FOR_ONE),
        (BEDROCK, "eu.anthropic.claude-sonnet-4-20250514-v1:0", CLAUDE),
        (BEDROCK, "anthropic.claude-3-7-sonnet-20250219-v1:0", CLAUDE),
        (BEDROCK, "anthropic.claude-3-5-sonnet-20240620-v1:0", RESERVED),
        (BEDROCK, "openai.gpt-oss-120b-1:0", RESERVED),
        (BEDROCK, None, RESERVED),
        (AZURE, "gpt-4o", ESTIMATED),
        ("http://127.0.0.1:9", None, ONE_FOR_ONE),
    ],
)
def test_vendors(base_url: str, model: str | None, weights: TokenWeights) -> None:
    assert weights_of(base_url, model) == weights


def test_a_credential_counts_as_its_models_do_where_they_agree() -> None:
    old, new = "anthropic.claude-3-5-sonnet", "anthropic.claude-sonnet-4"
    assert shared_weights(BEDROCK, {new}) == CLAUDE
    assert shared_weights(BEDROCK, {new, "anthropic.claude-opus-4"}) == CLAUDE
    assert shared_weights(BEDROCK, {old, new}) == RESERVED
    assert shared_weights(BEDROCK, set()) == RESERVED


def test_settings_win_one_by_one() -> None:
    tables: Any = json.loads(
        compile_tables(
            load_text(
                f'[providers.a]\nbase_url = "{BEDROCK}"\n'
                'api_key = [{ key = "k", limits = { concurrent = 2, weights = { cache_read = "10%" } } }]\n'
                '[deployments.d]\nprovider = "a"\nmodel = "anthropic.claude-opus-4"\n'
                "limits = { weights = { output = 2.5, reserves_max_tokens = false } }\n"
                '[deployments.e]\nprovider = "a"\nmodel = "anthropic.claude-opus-4"\n',
                {},
            )
        )
    )
    one, other, *_ = tables["deployments"]
    claude = {"cache_read_permille": 0, "output_permille": 5000, "reserves_max_tokens": True}
    assert one["limits"]["weights"] == {**claude, "output_permille": 2500, "reserves_max_tokens": False}
    assert other["limits"]["weights"] == claude
    (credential,) = tables["providers"][0]["credentials"]
    assert credential["limits"]["weights"] == {**claude, "cache_read_permille": 100}
    assert credential["limits"]["concurrent"] == 2
