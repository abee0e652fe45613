"""Token counts: asked of whichever provider answers, or made by the gateway where it has no call for them."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import anthropic
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from tests.blackbox.configuration import KEY, PROVIDER_KEY, key_table
from tests.blackbox.gateway import Answer, Gateway, fetch, running
from tests.blackbox.records import records_of
from tests.blackbox.waiting import until
from tests.dialects.answers.cases import answer
from tests.dialects.clients import PNG, QUESTION, SCHEMA
from tests.dialects.conftest import BASE_PATHS
from tests.dialects.provider import Provider

TOKENS = 123
ANSWERS = {"anthropic": {"input_tokens": TOKENS}, "gemini": {"totalTokens": TOKENS}}
PATHS = {
    "anthropic": "/v1/messages/count_tokens",
    "gemini": "/v1beta/models/upstream-model:countTokens",
}
COUNTED_BY, DEPLOYMENT, COST = "x-fastgate-counted-by", "x-fastgate-deployment", "x-fastgate-cost-usd"


class Messages:
    """`anthropic`."""

    path, field = "/v1/messages/count_tokens", "input_tokens"

    def __init__(self, gateway: Gateway) -> None:
        self.sdk = anthropic.Anthropic(
            base_url=f"http://127.0.0.1:{gateway.port}", api_key=KEY, max_retries=0
        )

    def count(self, text: str = QUESTION, **more: Any) -> tuple[int, dict[str, str]]:
        messages: Any = [{"role": "user", "content": text}]
        raw = self.sdk.messages.with_raw_response.count_tokens(model="chat", messages=messages, **more)
        return raw.parse().input_tokens, dict(raw.headers)

    @staticmethod
    def body(text: str = QUESTION) -> Any:
        return {"model": "chat", "messages": [{"role": "user", "content": text}]}


class Contents:
    """`google-genai`."""

    path, field = "/v1beta/models/chat:countTokens", "totalTokens"

    def __init__(self, gateway: Gateway) -> None:
        options = types.HttpOptions(base_url=f"http://127.0.0.1:{gateway.port}")
        self.sdk = genai.Client(api_key=KEY, http_options=options)

    def count(self, text: str = QUESTION) -> tuple[int, dict[str, str]]:
        counted = self.sdk.models.count_tokens(model="chat", contents=text)
        assert counted.total_tokens is not None
        assert counted.sdk_http_response is not None
        headers = counted.sdk_http_response.headers or {}
        return counted.total_tokens, {name.lower(): value for name, value in headers.items()}

    @staticmethod
    def body(text: str = QUESTION) -> Any:
        return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


CLIENTS: dict[str, Any] = {"anthropic": Messages, "gemini": Contents}


def post(gateway: Gateway, path: str, body: Any) -> Answer:
    headers = {"x-goog-api-key": KEY} if "/models/" in path else {"x-api-key": KEY}
    return fetch(gateway.port, "POST", path, json.dumps(body).encode(), headers)


@pytest.fixture
def gateway(gateway_at: Gateway) -> Gateway:
    return gateway_at


@pytest.fixture(params=list(CLIENTS))
def client(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[Any]:
    client = CLIENTS[request.param](gateway)
    with closing(client.sdk):
        yield client


@pytest.fixture
def counting(provider: Provider, dialect: str) -> Provider:
    """A provider that counts; one of OpenAI's dialect fails whoever calls it."""
    if dialect in ANSWERS:
        provider.answer(json.dumps(ANSWERS[dialect]).encode())
    else:
        provider.answer(b"<html>nobody counts here</html>", "text/html", 500)
    provider.path = ""
    return provider


def test_a_prompt_is_counted(client: Any, gateway: Gateway, counting: Provider, dialect: str) -> None:
    tokens, headers = client.count()
    assert headers[DEPLOYMENT] == f"at-{dialect}"
    record = records_of(gateway, [headers["x-fastgate-request-id"]]).popitem()[1]
    assert (record["outcome"], record["cost_pusd"], record["deployment"]) == (
        "answered",
        0,
        f"at-{dialect}",
    )
    assert float(headers[COST]) == 0
    if dialect == "openai":
        # As long as the question, whoever asks.
        assert len(QUESTION) / 8 < tokens < len(QUESTION)
        assert (counting.path, counting.asked, headers[COUNTED_BY]) == ("", None, "estimate")
        assert (record["attempts"], headers["x-fastgate-attempts"]) == (0, "0")
        assert record["counted_by"] == "estimate"
    else:
        assert (tokens, counting.path) == (TOKENS, PATHS[dialect])
        assert COUNTED_BY not in headers
        assert (record["attempts"], "counted_by" in record) == (1, False)


def test_the_whole_prompt_is_sent(gateway: Gateway, counting: Provider, dialect: str) -> None:
    if dialect == "openai":
        pytest.skip("nobody is asked")
    asking = Messages(gateway)
    tools = [{"name": "get_weather", "input_schema": SCHEMA}]
    with closing(asking.sdk):
        tokens, _ = asking.count(system="Be brief.", tools=tools, tool_choice={"type": "any"})
    assert tokens == TOKENS
    if dialect == "anthropic":
        assert counting.asked["model"] == "upstream-model"
        assert counting.asked["tools"] == tools
        return
    asked = counting.asked.pop("generateContentRequest")
    assert counting.asked == {}
    assert asked["model"] == "models/upstream-model"
    assert asked["contents"] == [{"role": "user", "parts": [{"text": QUESTION}]}]
    assert asked["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert asked["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == SCHEMA
    assert asked["toolConfig"]["functionCallingConfig"]["mode"] == "ANY"


def test_a_whole_request_of_geminis_is_counted(gateway: Gateway, counting: Provider, dialect: str) -> None:
    request = {
        "model": "models/chat",
        **Contents.body(),
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"temperature": 0.5, "candidateCount": 2, "maxOutputTokens": 9},
    }
    answered = post(gateway, Contents.path, {"generateContentRequest": request})
    assert answered.status == 200, answered.body
    tokens = answered.json()["totalTokens"]
    if dialect == "openai":
        alone = post(gateway, Contents.path, Contents.body()).json()["totalTokens"]
        assert tokens > alone
    elif dialect == "anthropic":
        assert tokens == TOKENS
        # It takes no more than that.
        assert set(counting.asked) == {"model", "system", "messages"}
        assert counting.asked["model"] == "upstream-model"
    else:
        assert tokens == TOKENS
        expected = {**request, "model": "models/upstream-model"}
        assert counting.asked == {"generateContentRequest": expected}


def test_a_body_that_names_another_model_is_refused(gateway: Gateway, counting: Provider) -> None:
    body = {"generateContentRequest": {"model": "models/dearer", **Contents.body()}}
    answered = post(gateway, Contents.path, body)
    assert (answered.status, answered.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert counting.path == ""


def test_a_picture_is_a_picture(gateway: Gateway, counting: Provider, dialect: str) -> None:
    if dialect != "openai":
        pytest.skip("the provider counts")
    source = {"type": "base64", "media_type": "image/png", "data": PNG * 400}
    body = {"model": "chat", "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}
    answered = post(gateway, Messages.path, body)
    assert answered.status == 200, answered.body
    assert 700 < answered.json()["input_tokens"] < 900


def test_what_other_vendors_signed_is_left_out(gateway: Gateway, counting: Provider, dialect: str) -> None:
    if dialect != "anthropic":
        pytest.skip("it is about a history that passes as it is")
    foreign = {"type": "thinking", "thinking": "Hm.", "signature": "gemini:c2lnbmVk"}
    said = {"type": "text", "text": "Rain."}
    history = [{"role": "user", "content": "?"}, {"role": "assistant", "content": [foreign, said]}]
    body = {"model": "chat", "messages": [*history, {"role": "user", "content": "And now?"}]}
    answered = post(gateway, Messages.path, body)
    assert answered.json() == {"input_tokens": TOKENS}
    assert counting.asked["messages"][1]["content"] == [said]


def test_errors_raise_what_the_sdk_raises(client: Any, provider: Provider, dialect: str) -> None:
    if dialect == "openai":
        pytest.skip("nobody is asked")
    provider.answer(*answer(dialect, "error"))
    with pytest.raises((anthropic.RateLimitError, genai_errors.ClientError), match="slow down"):
        client.count()


@pytest.mark.parametrize("said", [b"{}", b'{"input_tokens": "many", "totalTokens": -1}'])
def test_an_answer_without_a_number_is_none(
    client: Any, gateway: Gateway, provider: Provider, dialect: str, said: bytes
) -> None:
    if dialect == "openai" or isinstance(client, CLIENTS[dialect]):
        pytest.skip("nobody is asked, or the answer passes as it is")
    provider.answer(said)
    answered = post(gateway, client.path, client.body())
    assert answered.status == 502
    assert "error" in answered.json()


def test_what_cant_be_said_is_refused_in_the_clients_dialect(
    gateway: Gateway, counting: Provider, dialect: str
) -> None:
    if dialect == "gemini":
        pytest.skip("it takes films")
    film = {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}
    answered = post(gateway, Contents.path, {"contents": [{"role": "user", "parts": [film]}]})
    assert (answered.status, answered.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert counting.path == ""


@pytest.fixture(scope="module")
def exact(door: str, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has the deployment's tokenizer, holds its tenant to few tokens, and may go elsewhere."""
    config = f"""
[providers.upstream]
dialect = "openai"
base_url = "{provider.base_url}/v1"
api_key = "{PROVIDER_KEY}"
[providers.claude]
dialect = "anthropic"
base_url = "{provider.base_url}{BASE_PATHS["anthropic"]}"
api_key = "{PROVIDER_KEY}"
[deployments.exact]
provider = "upstream"
model = "gpt-4o"
tokenizer = "o200k"
context_tokens = 1000
limits = {{ concurrent = 1, tokens_per_minute = 1000 }}
[deployments.failing]
provider = "claude"
model = "claude"
[models.chat]
use = ["exact"]
[models.fallback]
use = ["failing", "exact"]
[tenants.acme]
limits = [
    {{ per = "tenant", tokens = 2, window = "1h" }},
    {{ per = "tenant", requests = 1000, window = "1h" }},
]
"""
    with running(door, tmp_path_factory.mktemp(f"{door}-exact"), config + key_table(KEY)) as gateway:
        yield gateway


def counted_exactly(gateway: Gateway, client: Any, text: str) -> Answer:
    """The answer once the vocabulary is built; estimates until then."""

    def ask() -> Answer | None:
        answered = post(gateway, client.path, client.body(text))
        assert answered.status == 200, answered.body
        return answered if answered.headers[COUNTED_BY] == "tokenizer" else None

    counted = until(ask, "an exact count")
    assert counted is not None
    return counted


@pytest.mark.parametrize("name", list(CLIENTS))
def test_a_tokenizer_counts_exactly(exact: Gateway, name: str) -> None:
    client = CLIENTS[name]
    counts = [
        counted_exactly(exact, client, text).json()[client.field]
        for text in ("hello", "hello world", "hello world" * 2000)
    ]
    # A message is 3 tokens, its role 1 and the reply 3; `hello` and ` world` are one each.
    assert counts[:2] == [8, 9]
    # More than its window holds.
    assert 4000 <= counts[2] - 7 <= 6001


def test_counts_are_no_tokens_used(exact: Gateway) -> None:
    # The tenant has two tokens an hour, and the deployment is held to one call at once.
    for _ in range(3):
        answered = counted_exactly(exact, Messages, "hello")
        assert answered.headers["anthropic-ratelimit-tokens-limit"] == "2"
        assert answered.headers["anthropic-ratelimit-tokens-remaining"] == "2"


def test_limits_are_told_in_anthropics_headers(exact: Gateway) -> None:
    first, second = (counted_exactly(exact, Messages, "hello").headers for _ in range(2))
    kind = "anthropic-ratelimit-requests"
    assert first[f"{kind}-limit"] == "1000"
    assert int(first[f"{kind}-remaining"]) > int(second[f"{kind}-remaining"])
    assert second[f"{kind}-remaining"] == second["x-ratelimit-remaining-requests"]
    reset = second[f"{kind}-reset"]
    assert datetime.fromisoformat(reset).utcoffset() == timedelta(0)
    assert len(reset) == len("2026-01-31T12:00:00Z")
    other = counted_exactly(exact, Contents, "hello").headers
    assert not any(name.startswith("anthropic-") for name in other)


def test_requests_that_were_counted_outlive_a_restart(exact: Gateway) -> None:
    def remaining() -> int:
        answered = post(exact, Messages.path, Messages.body("hello"))
        return int(answered.headers["anthropic-ratelimit-requests-remaining"])

    before = remaining()
    exact.stop()
    exact.start_again()
    assert remaining() == before - 1


def test_the_gateway_counts_where_a_provider_fails(exact: Gateway, provider: Provider) -> None:
    provider.answer(*answer("anthropic", "error"))
    body = {**Messages.body("hello"), "model": "fallback"}
    answered = post(exact, Messages.path, body)
    assert answered.status == 200, answered.body
    assert (answered.headers[DEPLOYMENT], answered.headers["x-fastgate-attempts"]) == ("exact", "1")
    assert answered.headers[COUNTED_BY] in ("tokenizer", "estimate")
