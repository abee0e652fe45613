"""The overlay of facts: every entry is well-formed, counts, and is about a model that exists."""

import re
from pathlib import Path
from typing import get_args

import pytest

from fastgate import _core
from fastgate.catalogue import build_models
from fastgate.catalogue.models import (
    Ability,
    Entry,
    Facts,
    catalogue_models,
    facts_of,
    listed_window,
    overlay,
    package_models,
    read_overlay,
    vendor_at,
)
from fastgate.config.table import Capability

FILE = Path(build_models.__file__).with_name("models.toml")
ENTRIES = [(vendor, entry) for vendor, entries in overlay().entries.items() for entry in entries]
# Entries that `genai-prices` has no model for, and why they are here.
UNLISTED = {
    "command-a-reasoning-08-2025": "free on trial keys, so without a price",
    "command-a-plus-05-2026": "its price is not published",
    "qwen3-max": "the package has no list of Alibaba's own API",
    "qwen-plus": "the package has no list of Alibaba's own API",
}
# Of OpenAI's chat request, and of Anthropic's Messages.
FIELDS = {
    *("temperature", "top_p", "top_k", "stop", "presence_penalty", "frequency_penalty", "logit_bias"),
    *("logprobs", "top_logprobs", "reasoning_effort", "max_tokens", "max_completion_tokens"),
}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def name_of(value: object) -> str:
    if isinstance(value, Entry):
        return (*value.names, *value.starts_with, value.regex.pattern if value.regex else "")[0]
    return str(value)


each_entry = pytest.mark.parametrize(("vendor", "entry"), ENTRIES, ids=name_of)


@each_entry
def test_an_entry_is_about_a_model_that_exists(vendor: str, entry: Entry) -> None:
    package = overlay().vendors[vendor].package or vendor
    listed = any(entry.matches(model.lower()) for model in package_models().get(package, {}))
    priced = any(_core.rates(name, provider=package) for name in entry.names)
    assert (listed or priced) != (name_of(entry) in UNLISTED)


@each_entry
def test_no_entry_is_hidden_by_an_earlier_one(vendor: str, entry: Entry) -> None:
    package = overlay().vendors[vendor].package or vendor
    names = {*entry.names, *(model.lower() for model in package_models().get(package, {}) if not entry.names)}
    own = {name for name in names if entry.matches(name)}
    first = {name for name in own if facts_of(vendor, name) is entry.facts}
    assert first == own if entry.names else first


@each_entry
def test_facts_are_plausible(vendor: str, entry: Entry) -> None:
    facts = entry.facts
    window, most = facts.window_tokens, facts.output_tokens
    for tokens in (window, facts.input_tokens, most):
        assert tokens is None or 1_000 <= tokens <= 10_000_000
    if window is not None and most is not None:
        assert most <= window
    assert facts.context_tokens is None or facts.input_tokens is None
    assert set(facts.refuses or ()) | set(facts.refuses_reasoning or ()) | set(facts.one_of or ()) <= FIELDS
    assert {*(facts.renames or {}), *(facts.renames or {}).values()} <= FIELDS
    efforts = facts.efforts or ()
    assert list(efforts) == sorted(efforts, key=EFFORTS.index)
    if efforts:
        assert facts.abilities.get("reasoning") is True
    if facts.abilities.get("reasoning_budget"):
        assert facts.abilities.get("reasoning") is True
    assert all(name == name.lower() for name in (*entry.names, *entry.starts_with))
    if facts.kind != "chat":
        # A request to an embedding model may have many inputs, each as long as its window.
        assert facts == Facts(kind=facts.kind), "only chat models are judged"


def test_every_section_says_where_its_facts_are_from() -> None:
    text = FILE.read_text()
    assert text.count("\n") < 600
    sections = re.split(r"^# -{20,} .*\n", text, flags=re.MULTILINE)[1:]
    assert len(sections) == len(overlay().entries)
    for section in sections:
        assert re.match(r"# \S+\.(com|ai|dev)[/,\s]", section), section[:80]


def test_a_version_is_the_model_and_another_word_is_not() -> None:
    mini = facts_of("openai", "gpt-4o-mini")
    assert mini is not None
    assert facts_of("openai", "gpt-4o-mini-2024-07-18") is mini
    assert facts_of("openai", "GPT-4o-mini") is mini
    assert facts_of("openai", "gpt-4o-mini-realtime-preview") is None
    assert facts_of("openai", "my-gpt-4o-mini") is None
    assert facts_of("anthropic", "claude-opus-4-20250514") is facts_of("anthropic", "claude-opus-4-0")
    assert facts_of("anthropic", "claude-opus-4@20250514") is facts_of("anthropic", "claude-opus-4-0")
    assert facts_of("anthropic", "claude-opus-4-9") is None
    assert facts_of("google", "gemini-2.5-flash-preview-09-2025") is facts_of("google", "gemini-2.5-flash")
    assert facts_of("google", "gemini-2.5-flash-image") is None
    assert facts_of("groq", "gpt-4o") is None
    assert facts_of("nobody", "gpt-4o") is None


def test_entries_inherit_field_by_field() -> None:
    turbo = facts_of("openai", "gpt-4-turbo")
    assert turbo is not None
    assert turbo.abilities["tools"] is True  # of its family
    assert turbo.abilities["json_schema"] is False  # its own word
    assert turbo.abilities["audio_input"] is False  # of its family's family
    assert "file_input" not in turbo.abilities
    four = facts_of("anthropic", "claude-haiku-4-5")
    assert four is not None
    assert (four.context_tokens, four.output_tokens, four.efforts) == (200_000, 64_000, ())


def test_a_window_is_the_sum_where_input_and_output_have_limits_of_their_own() -> None:
    gemini = facts_of("google", "gemini-2.5-pro")
    assert gemini is not None
    assert gemini.context_tokens is None
    assert gemini.window_tokens == 1_048_576 + 65_536
    assert Facts(input_tokens=5).window_tokens is None


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ('can = ["tools"]', "without names"),
        ('names = ["a"]\nlike = "nobody"', "a: like = 'nobody' leads nowhere"),
        ('names = ["a"]\nlike = "round"', "a: like = 'round' leads nowhere"),
        ('names = ["a"]\ncan = ["tools"]\ncannot = ["tools"]', "a: can and cannot"),
        ('names = ["a"]\ncan = ["fly"]', "a: Invalid enum value 'fly'"),
        ('names = ["a"]\noutput = 5', "a: Object contains unknown field `output`"),
        ('names = ["a"]\nkind = "oracle"', "a: Invalid enum value 'oracle'"),
    ],
)
def test_entries_that_make_no_sense_are_refused(entry: str, complaint: str) -> None:
    text = f'[vendors]\nv = {{ hosts = ["h"] }}\n[families.round]\nlike = "round"\n[[models.v]]\n{entry}\n'
    with pytest.raises(ValueError, match=re.escape(complaint)):
        read_overlay(text)


def test_entries_of_nobody_are_refused() -> None:
    with pytest.raises(ValueError, match="without a line"):
        read_overlay('[vendors]\nv = { hosts = ["h"] }\n[[models.w]]\nnames = ["a"]\n')


@pytest.mark.parametrize(
    ("base_url", "vendor"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://API.openai.com:443/v1", "openai"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "google"),
        ("https://eu.api.openai.com/v1", None),
        ("https://api.openai.com.example.org/v1", None),
        ("http://127.0.0.1:9/api.openai.com", None),
        ("https://acme.openai.azure.com/openai/v1", None),
        ("https://openrouter.ai/api/v1", None),
    ],
)
def test_a_vendor_is_known_by_its_host_alone(base_url: str, vendor: str | None) -> None:
    assert vendor_at(base_url) == vendor


def test_the_list_of_windows_is_current() -> None:
    assert build_models.FILE.read_text() == build_models.windows(), (
        "run: python -m fastgate.catalogue.build_models"
    )


def test_windows_are_found_as_prices_are() -> None:
    assert listed_window("gpt-4o-2024-11-20", provider="openai") == 128_000
    assert listed_window("gpt-4o", base_url="https://acme.openai.azure.com/openai/v1") == 128_000
    assert listed_window("whisper-1", provider="openai") is None
    assert listed_window("no-such-model", provider="openai") is None


def test_all_that_is_known_is_listed_by_vendor() -> None:
    listed = catalogue_models()
    assert "gpt-4o" in listed["openai"].models
    assert listed["xai"].package == "x-ai"
    assert "x-ai" not in listed
    assert listed["qwen"].models == ("qwen3-max", "qwen-plus")
    assert "command-a-plus-05-2026" in listed["cohere"].models
    assert "openrouter" in listed


def test_routing_can_be_told_all_it_asks_for() -> None:
    assert set(get_args(Capability)) <= set(get_args(Ability))
