"""Embeddings: OpenAI's and Google's SDKs, each through the gateway to providers of every dialect."""

import base64
import json
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from tests.blackbox.configuration import KEY
from tests.blackbox.gateway import Answer, Gateway, fetch
from tests.blackbox.records import records_of
from tests.dialects.answers.cases import answer
from tests.dialects.provider import Provider

TEXTS = ["the first", 'the "second"\n']
# Some of them no 32-bit number is equal to.
VECTORS = [[0.1, -2e-3, 3.0], [1e-7, 0.25, -1.0]]
TOKENS = 5
REQUEST_ID = "x-fastgate-request-id"
PATHS = {"openai": "/v1/embeddings", "gemini": "/v1beta/models/upstream-model:batchEmbedContents"}


def packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def rounded(vector: list[float]) -> list[float]:
    return list(struct.unpack(f"<{len(vector)}f", struct.pack(f"<{len(vector)}f", *vector)))


def vectors_of(dialect: str, vectors: list[list[float]], usage: bool = True) -> bytes:
    """What a provider answers with."""
    if dialect == "gemini":
        told = {"usageMetadata": {"promptTokenCount": TOKENS}} if usage else {}
        return json.dumps({"embeddings": [{"values": vector} for vector in vectors], **told}).encode()
    data = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    counts = {"prompt_tokens": TOKENS, "total_tokens": TOKENS}
    told = {"usage": counts} if usage else {}
    # Nobody says that they come in order.
    return json.dumps({"object": "list", "data": data[::-1], "model": "upstream-model", **told}).encode()


@pytest.fixture
def gateway(gateway_at: Gateway) -> Gateway:
    return gateway_at


@pytest.fixture
def embedding(provider: Provider, dialect: str) -> Provider:
    """A provider with vectors."""
    if dialect == "anthropic":
        pytest.skip("Anthropic has none")
    provider.answer(vectors_of(dialect, VECTORS))
    return provider


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{gateway.port}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def google(gateway: Gateway) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"http://127.0.0.1:{gateway.port}")
    with closing(genai.Client(api_key=KEY, http_options=options)) as client:
        yield client


def post(gateway: Gateway, path: str, body: Any) -> Answer:
    headers = {"x-goog-api-key": KEY} if "/models/" in path else {"authorization": f"Bearer {KEY}"}
    return fetch(gateway.port, "POST", path, json.dumps(body).encode(), headers)


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_openais_sdk(sdk: Any, embedding: Provider, gateway: Gateway, dialect: str, encoding: str) -> None:
    if dialect == "openai" and encoding != "float":
        embedding.answer(vectors_of("openai", [packed(vector) for vector in VECTORS]))  # type: ignore[misc]
    more = {"encoding_format": encoding} if encoding else {}
    raw = sdk.embeddings.with_raw_response.create(
        model="chat", input=TEXTS, dimensions=3, user="somebody", **more
    )
    answered = raw.parse()
    found = sorted(answered.data, key=lambda item: item.index)
    expected = {
        None: [pytest.approx(vector, rel=1e-6) for vector in VECTORS],
        "float": VECTORS,
        "base64": [packed(vector) for vector in VECTORS],
    }[encoding]
    assert [item.embedding for item in found] == expected
    assert (answered.object, answered.usage.prompt_tokens, answered.usage.total_tokens) == (
        "list",
        TOKENS,
        TOKENS,
    )
    assert embedding.path == PATHS[dialect]
    if dialect == "gemini":
        one = {"model": "models/upstream-model", "outputDimensionality": 3}
        requests = [{**one, "content": {"parts": [{"text": text}]}} for text in TEXTS]
        assert embedding.asked == {"requests": requests}
        assert raw.headers["x-fastgate-dropped"] == "user"
        assert answered.model == "chat"
        assert [item.index for item in answered.data] == [0, 1]
    record = records_of(gateway, [raw.headers[REQUEST_ID]]).popitem()[1]
    assert (record["operation"], record["usage"]["input_tokens"]) == ("embeddings", TOKENS)
    assert not record["usage"].get("output_tokens")


@pytest.mark.parametrize("text", TEXTS)
def test_one_text_in_openais_shape(sdk: Any, embedding: Provider, dialect: str, text: str) -> None:
    embedding.answer(vectors_of(dialect, VECTORS[:1]))
    answered = sdk.embeddings.create(model="chat", input=text, encoding_format="float")
    assert answered.data[0].embedding == VECTORS[0]
    if dialect == "gemini":
        (request,) = embedding.asked["requests"]
        assert request["content"] == {"parts": [{"text": text}]}
        assert "outputDimensionality" not in request


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[0]])
def test_googles_sdk(
    google: genai.Client, embedding: Provider, gateway: Gateway, dialect: str, texts: Any
) -> None:
    count = 1 if isinstance(texts, str) else len(texts)
    embedding.answer(vectors_of(dialect, VECTORS[:count]))
    config = types.EmbedContentConfig(output_dimensionality=3, task_type="RETRIEVAL_QUERY")
    answered = google.models.embed_content(model="chat", contents=texts, config=config)
    assert [one.values for one in answered.embeddings or []] == VECTORS[:count]
    assert embedding.path == PATHS[dialect]
    assert answered.sdk_http_response is not None
    headers = {name.lower(): value for name, value in (answered.sdk_http_response.headers or {}).items()}
    if dialect == "openai":
        assert embedding.asked == {
            "model": "upstream-model",
            "input": [texts] if count == 1 else texts,
            "dimensions": 3,
            "encoding_format": "float",
        }
        assert headers["x-fastgate-dropped"] == "requests.taskType"
    else:
        assert {request["model"] for request in embedding.asked["requests"]} == {"models/upstream-model"}
    record = records_of(gateway, [headers[REQUEST_ID]]).popitem()[1]
    assert (record["operation"], record["usage"]["input_tokens"]) == ("batch_embed_contents", TOKENS)


def test_one_text_in_geminis_shape(gateway: Gateway, embedding: Provider, dialect: str) -> None:
    vector = VECTORS[0]
    if dialect == "gemini":
        embedding.answer(json.dumps({"embedding": {"values": vector}}).encode())
    else:
        embedding.answer(vectors_of(dialect, [packed(vector)]))  # type: ignore[list-item]
    body = {"model": "models/chat", "content": {"parts": [{"text": "a"}, {"text": "b"}]}}
    answered = post(gateway, "/v1beta/models/chat:embedContent", body)
    assert answered.status == 200, answered.body
    values = answered.json()["embedding"]["values"]
    if dialect == "gemini":
        assert (values, embedding.path) == (vector, "/v1beta/models/upstream-model:embedContent")
        assert embedding.asked == {**body, "model": "models/upstream-model"}
    else:
        assert values == pytest.approx(rounded(vector), rel=1e-7)
        assert embedding.asked["input"] == ["a\nb"]


def test_what_is_not_reported_is_estimated(
    sdk: Any, embedding: Provider, gateway: Gateway, dialect: str
) -> None:
    embedding.answer(vectors_of(dialect, VECTORS, usage=False))
    raw = sdk.embeddings.with_raw_response.create(model="chat", input=TEXTS, encoding_format="float")
    record = records_of(gateway, [raw.headers[REQUEST_ID]]).popitem()[1]
    assert record["usage_estimated"]
    # Vectors are no output, however long.
    assert not record["usage"].get("output_tokens")
    if dialect == "gemini":
        usage = raw.parse().usage
        assert usage.prompt_tokens == usage.total_tokens == record["usage"]["input_tokens"] > 0


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1, 2], [3]]])
def test_tokens_mean_nothing_elsewhere(sdk: Any, embedding: Provider, dialect: str, tokens: Any) -> None:
    if dialect == "openai":
        sdk.embeddings.create(model="chat", input=tokens, encoding_format="float")
        assert embedding.asked["input"] == tokens
        return
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.embeddings.create(model="chat", input=tokens)
    assert raised.value.param == "input"
    assert embedding.asked is None


def test_errors_raise_what_the_sdk_raises(
    sdk: Any, google: genai.Client, embedding: Provider, dialect: str
) -> None:
    embedding.answer(*answer(dialect, "error"))
    with pytest.raises(openai.RateLimitError, match="slow down"):
        sdk.embeddings.create(model="chat", input="a")
    with pytest.raises(genai_errors.ClientError, match="slow down"):
        google.models.embed_content(model="chat", contents="a")


def test_fewer_vectors_than_texts_are_no_answer(
    sdk: Any, google: genai.Client, embedding: Provider, dialect: str
) -> None:
    embedding.answer(vectors_of(dialect, VECTORS[:1]))
    if dialect == "gemini":
        with pytest.raises(openai.InternalServerError):
            sdk.embeddings.create(model="chat", input=TEXTS)
    else:
        texts: Any = TEXTS
        with pytest.raises(genai_errors.ServerError):
            google.models.embed_content(model="chat", contents=texts)


def test_another_model_within_the_body_is_refused(gateway: Gateway, embedding: Provider) -> None:
    requests = [{"model": "models/dearer", "content": {"parts": [{"text": "a"}]}}]
    answered = post(gateway, "/v1beta/models/chat:batchEmbedContents", {"requests": requests})
    assert (answered.status, answered.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert embedding.asked is None


def test_anthropic_has_none(
    sdk: Any, google: genai.Client, provider: Provider, gateway: Gateway, dialect: str
) -> None:
    if dialect != "anthropic":
        pytest.skip("the others have")
    provider.answer(b"{}")
    with pytest.raises(openai.BadRequestError) as raised:
        sdk.embeddings.create(model="chat", input="a")
    assert raised.value.code == "no_route"
    with pytest.raises(genai_errors.ClientError, match="no deployment"):
        google.models.embed_content(model="chat", contents="a")
    assert provider.asked is None
