"""Requests to models that depart from their dialect: what one takes must not fail at the next."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.blackbox.configuration import KEY, PROVIDER_KEY, key_table
from tests.blackbox.gateway import Gateway, running
from tests.dialects.answers.cases import TEXT, answer
from tests.dialects.answers.said import USAGE
from tests.dialects.clients import CLIENTS
from tests.dialects.provider import Provider

CONFIG = """
[providers.plain]
base_url = "{base_url}/v1"
api_key = "{key}"
stream_usage = false
responses = false
[providers.thinking]
dialect = "anthropic"
base_url = "{base_url}"
api_key = "{key}"
[deployments.talker]
provider = "plain"
model = "talker"
[deployments.thinker]
provider = "thinking"
model = "thinker"
[catalogue.models.talker]
renames = {{ max_completion_tokens = "max_tokens" }}
refuses = ["user", "seed", "messages[].name", "logit_bias"]
efforts = ["low", "high"]
[catalogue.models.thinker]
refuses = ["temperature"]
one_of = ["top_p", "top_k"]
efforts = ["low", "high"]
output_tokens = 9_000
[tenants.acme]
"""
MESSAGES = [{"role": "user", "content": "Hello", "name": "anna"}]


@pytest.fixture(scope="module")
def gateway(door: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway in front of a plain chat server and of a model at Anthropic that reasons in words."""
    config = CONFIG.format(base_url=provider.base_url, key=PROVIDER_KEY) + key_table(KEY)
    with running(door, tmp_path_factory.mktemp(f"{door}-deviations"), config) as gateway:
        yield gateway


def sdk(gateway: Gateway, name: str) -> Any:
    return closing(CLIENTS[name](f"http://127.0.0.1:{gateway.port}", KEY, "talker").sdk)


def says(provider: Provider, dialect: str, case: str = "text") -> None:
    body, content_type, status = answer(dialect, case)
    provider.answer(body, content_type, status)


def dropped(answered: Any) -> list[str]:
    return sorted(name for name in answered.headers.get("x-fastgate-dropped", "").split(", ") if name)


def test_a_request_that_passes_as_it_is_loses_only_what_would_fail(
    gateway: Gateway, provider: Provider
) -> None:
    says(provider, "openai")
    with sdk(gateway, "chat") as client:
        answered = client.chat.completions.with_raw_response.create(
            model="talker",
            messages=MESSAGES,
            user="u",
            seed=7,
            max_completion_tokens=9,
            temperature=0.5,
            logit_bias={"1": 1},
        )
    assert answered.parse().choices[0].message.content == TEXT
    assert provider.asked == {
        "model": "talker",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 9,
        "temperature": 0.5,
        # Another answer would come without it: the provider is its judge.
        "logit_bias": {"1": 1},
    }
    assert dropped(answered) == ["messages.name", "seed", "user"]


def test_a_stream_is_not_asked_for_usage_that_would_fail(gateway: Gateway, provider: Provider) -> None:
    says(provider, "openai", "stream")
    for name in ("chat", "responses", "anthropic"):
        client = CLIENTS[name](f"http://127.0.0.1:{gateway.port}", KEY, "talker")
        with closing(client.sdk):
            heard = client.ask("stream")
        assert (heard.text, heard.usage) == (TEXT, USAGE)
        assert (provider.path, provider.asked["stream"]) == ("/v1/chat/completions", True)
        assert "stream_options" not in provider.asked


def test_responses_are_answered_by_a_server_that_has_only_chat(gateway: Gateway, provider: Provider) -> None:
    says(provider, "openai")
    with sdk(gateway, "responses") as client:
        answered = client.responses.with_raw_response.create(
            model="talker", input="Hello", user="u", reasoning={"effort": "medium"}, max_output_tokens=9
        )
    assert answered.parse().output_text == TEXT
    assert provider.path == "/v1/chat/completions"
    asked = provider.asked
    assert (asked["reasoning_effort"], asked["max_tokens"], asked.get("user")) == ("low", 9, None)
    assert dropped(answered) == ["user"]


def test_fields_are_named_as_the_client_says_them(gateway: Gateway, provider: Provider) -> None:
    says(provider, "openai")
    with sdk(gateway, "anthropic") as client:
        answered = client.messages.with_raw_response.create(
            model="talker",
            max_tokens=12_000,
            messages=[{"role": "user", "content": "Hello"}],
            metadata={"user_id": "u"},
            thinking={"type": "enabled", "budget_tokens": 10_000},
        )
    assert answered.parse().content[-1].text == TEXT
    assert (provider.asked["reasoning_effort"], provider.asked["max_tokens"]) == ("high", 12_000)
    assert "user" not in provider.asked
    assert dropped(answered) == ["metadata.user_id", "thinking.display"]


def test_reasoning_is_asked_for_as_the_model_takes_it(gateway: Gateway, provider: Provider) -> None:
    says(provider, "anthropic")
    with sdk(gateway, "chat") as client:
        answered = client.chat.completions.with_raw_response.create(
            model="thinker",
            messages=[{"role": "user", "content": "Hello"}],
            temperature=0.5,
            reasoning_effort="medium",
        )
    asked = provider.asked
    assert (asked["thinking"]["type"], asked["output_config"]["effort"]) == ("adaptive", "low")
    # Nobody said how long the answer may be: as long as the model's may.
    assert (asked["max_tokens"], "temperature" in asked) == (9_000, False)
    assert dropped(answered) == ["temperature"]


def test_of_fields_that_exclude_each_other_one_is_sent(gateway: Gateway, provider: Provider) -> None:
    says(provider, "anthropic")
    with sdk(gateway, "anthropic") as client:
        answered = client.messages.with_raw_response.create(
            model="thinker",
            max_tokens=9,
            messages=[{"role": "user", "content": "Hello"}],
            extra_body={"temperature": 1, "top_k": 3, "top_p": 0.5},
        )
    assert ("temperature" in provider.asked, "top_k" in provider.asked) == (False, False)
    assert provider.asked["top_p"] == 0.5
    assert dropped(answered) == ["temperature", "top_k"]
