"""The table of vendors: each works by its name alone, and none claims what another has."""

import re
import typing
from itertools import combinations
from pathlib import Path

import msgspec
import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

from fastgate.catalogue.vendors import (
    Vendor,
    prefixes_of,
    read_vendors,
    settings_of,
    vendors,
)
from fastgate.catalogue.vendors_reference import vendors_reference
from fastgate.config import compile_tables, load, load_text
from fastgate.config.addresses import is_loopback, split_url
from fastgate.errors import ConfigError, ConfigErrors

PAGE = Path(__file__).parents[2] / "docs" / "vendors.md"
VENDORS = vendors()
KEYLESS = [name for name, vendor in VENDORS.items() if vendor.keyless]
# What OpenAI's own client sends, and the one field within messages that vendors refuse.
CHAT_FIELDS = {*typing.get_type_hints(CompletionCreateParamsStreaming), "messages[].name"}

every_vendor = pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)


def variables() -> list[str]:
    return [variable for vendor in VENDORS.values() for variable in vendor.environment]


def errors_of(text: str, environment: dict[str, str]) -> tuple[ConfigError, ...]:
    with pytest.raises(ConfigErrors) as caught:
        load_text(text, environment, file="f.toml")
    return caught.value.errors


def test_there_are_as_many_as_promised() -> None:
    assert len(VENDORS) >= 34


@pytest.mark.parametrize("name", VENDORS)
def test_a_name_and_its_variable_are_enough(name: str) -> None:
    vendor = VENDORS[name]
    for variable in vendor.environment or ("UNUSED",):
        config = load_text(f"[providers.{name}]\n", {variable: "the-key"})
        provider = config.settings.providers[name]
        assert provider.base_url == vendor.base_url
        assert provider.stream_usage == vendor.stream_usage
        keys = ["the-key"] if vendor.environment else []
        assert [credential.key.reveal() for credential in provider.api_key] == keys
        assert f'"base_url":"{vendor.base_url}"'.encode() in compile_tables(config)


@pytest.mark.parametrize("name", sorted({*VENDORS} - {*KEYLESS}))
def test_without_its_key_the_variables_are_named(name: str) -> None:
    (error,) = errors_of(f"\n[providers.{name}]\n", {})
    assert (error.line, error.message) == (2, "needs an api_key")
    assert all(variable in (error.hint or "") for variable in VENDORS[name].environment)


@pytest.mark.parametrize("name", KEYLESS)
def test_servers_that_need_no_key_work_without_one(name: str) -> None:
    provider = load_text(f"[providers.{name}]\n", {}).settings.providers[name]
    assert provider.api_key == []
    address = provider.base_url.removeprefix("http://").partition("/")[0]
    assert is_loopback(address)


def test_a_vendors_address_is_not_used_for_another_dialect() -> None:
    errors = errors_of('[providers.anthropic]\ndialect = "openai"\n', {"ANTHROPIC_API_KEY": "the-key"})
    assert [(error.path, error.message) for error in errors] == [
        ("providers.anthropic.base_url", "is required")
    ]
    compatible = '[providers.anthropic]\nbase_url = "https://api.anthropic.com/v1"\napi_key = "k"\n'
    assert load_text(compatible, {}).settings.providers["anthropic"].dialect == "openai"


def test_all_variables_at_once_start_a_gateway() -> None:
    config = load(None, dict.fromkeys(variables(), "the-key"))
    expected = [name for name in VENDORS if VENDORS[name].automatic and not VENDORS[name].keyless]
    assert list(config.settings.providers) == expected
    assert not config.mock
    claimed = {prefix: opened.provider for opened in config.open_providers for prefix in opened.prefixes}
    assert claimed["gpt-"] == "openai"
    assert claimed["grok-"] == "xai"


def test_all_vendors_fit_into_one_file() -> None:
    config = load_text("".join(f"[providers.{name}]\n" for name in VENDORS), dict.fromkeys(variables(), "k"))
    assert list(config.settings.providers) == [*VENDORS]


@pytest.mark.parametrize("name", [name for name, vendor in VENDORS.items() if not vendor.automatic])
def test_a_variable_with_other_uses_asks_for_no_provider(name: str) -> None:
    assert load(None, dict.fromkeys(VENDORS[name].environment, "the-key")).mock


def test_ollamas_variable_counts_where_it_is_a_url() -> None:
    for address in ("0.0.0.0", "127.0.0.1:11434", ":11434", ""):
        assert load(None, {"OLLAMA_HOST": address}).mock
        named = load_text("[providers.ollama]\n", {"OLLAMA_HOST": address})
        assert named.settings.providers["ollama"].base_url == "http://127.0.0.1:11434/v1"
    for url in ("http://gpu:11434", "http://gpu:11434/"):
        provider = load(None, {"OLLAMA_HOST": url}).settings.providers["ollama"]
        assert (provider.base_url, provider.api_key) == ("http://gpu:11434/v1", [])


def test_the_first_variable_that_is_set_counts() -> None:
    cohere = VENDORS["cohere"]
    assert cohere.key_in({"CO_API_KEY": "a", "COHERE_API_KEY": "b"}) == "a"
    assert cohere.key_in({"CO_API_KEY": "", "COHERE_API_KEY": "b"}) == "b"
    assert cohere.key_in({"CO_API_KEY": ""}) is None
    assert "api_key" not in settings_of(cohere, {})


def test_a_misspelt_vendor_is_told_the_nearest_one() -> None:
    first, second = errors_of("[providers.gorq]\n", {})
    assert str(first) == 'f.toml:1: providers.gorq: no vendor of this name is known (did you mean "groq"?)'
    assert second.message == "is required"
    (other,) = errors_of("[providers.our-own-llm]\n", {})
    assert other.path == "providers.our-own-llm.base_url"
    assert len(str(other)) < 200


@every_vendor
def test_addresses_are_plain_and_encrypted(vendor: Vendor) -> None:
    assert split_url(vendor.base_url) is not None
    assert not vendor.base_url.endswith("/")
    assert vendor.base_url.startswith("https://") != vendor.keyless


def test_no_two_share_an_address_or_a_variable() -> None:
    addresses = [vendor.base_url for vendor in VENDORS.values()]
    assert len(set(addresses)) == len(addresses)
    replaced = [vendor.base_url_environment for vendor in VENDORS.values() if vendor.base_url_environment]
    named = [*variables(), *replaced]
    assert len(set(named)) == len(named)
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*_(API_KEY|TOKEN|SECRET_KEY)", name) for name in variables())


def test_a_bare_name_is_one_vendors_own() -> None:
    for (one, first), (other, second) in combinations(VENDORS.items(), 2):
        for mine in first.prefixes:
            for theirs in second.prefixes:
                assert not mine.startswith(theirs), f"{one} {mine} is also {other}'s"
                assert not theirs.startswith(mine), f"{other} {theirs} is also {one}'s"


def test_prefixes_follow_the_name_or_the_address() -> None:
    assert prefixes_of("anthropic", "https://proxy.example.com") == ("claude-",)
    assert prefixes_of("mine", "https://api.x.ai/v1") == ("grok-",)
    assert prefixes_of("mine", "https://llm.example.com") == ()


@every_vendor
def test_differences_are_about_fields_of_openais_chat(vendor: Vendor) -> None:
    assert {*vendor.refuses, *vendor.renames} <= CHAT_FIELDS
    assert not {"model", "messages", "stream"} & {*vendor.refuses, *vendor.renames}
    # Renamed, it is no longer refused; what `stream_usage` says, `refuses` would say a second time.
    assert not {*vendor.refuses} & {*vendor.renames, *vendor.renames.values(), "stream_options"}
    assert len(set(vendor.refuses)) == len(vendor.refuses)
    assert all(re.fullmatch(r"[a-z_]+", there) for there in vendor.renames.values())
    assert vendor.dialect == "openai" or not (vendor.refuses or vendor.renames or vendor.responses)


@every_vendor
def test_headers_are_what_the_dialect_wants(vendor: Vendor) -> None:
    assert vendor.auth_header == {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(
        vendor.dialect, "authorization"
    )
    assert all(name == name.lower() for name in vendor.headers)
    assert vendor.headers == ({"anthropic-version": "2023-06-01"} if vendor.dialect == "anthropic" else {})


@every_vendor
def test_the_path_behind_a_variables_address_is_the_base_urls(vendor: Vendor) -> None:
    assert vendor.base_url.endswith(vendor.base_url_path or "")
    assert vendor.base_url_path is None or vendor.base_url_environment is not None


def test_unknown_and_wrong_entries_are_refused() -> None:
    for entry in (
        "base_uri = 'https://x'",
        "dialect = 'smoke'",
        "environment = 'X_API_KEY'",
        "refuses = true",
    ):
        with pytest.raises(msgspec.ValidationError):
            read_vendors(f"[x]\nbase_url = 'https://x'\n{entry}\n")
    with pytest.raises(msgspec.ValidationError, match="base_url"):
        read_vendors("[x]\n")


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == vendors_reference(), (
        "run: python -m fastgate.catalogue.vendors_reference > docs/vendors.md"
    )


@pytest.mark.parametrize("name", VENDORS)
def test_the_page_tells_what_the_table_says(name: str) -> None:
    vendor = VENDORS[name]
    (row,) = [line for line in vendors_reference().splitlines() if line.startswith(f"| `{name}` |")]
    said = {*vendor.environment, *vendor.refuses, *vendor.renames, *vendor.renames.values(), vendor.base_url}
    said |= {vendor.dialect, *(name for name in (vendor.base_url_environment,) if name)}
    assert all(f"`{word}`" in row for word in said)
    assert ("only by name" in row) == (vendor.keyless or not vendor.automatic)
    assert ("Responses" in row) == vendor.responses
    assert ("`stream_options`" in row) == (not vendor.stream_usage)


def test_the_pages_examples_load() -> None:
    examples = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        load_text(example, {"GROQ_API_KEY": "g", "MY_MISTRAL_KEY": "m", "OUR_LLM_KEY": "o"})
