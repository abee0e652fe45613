"""Google's own SDK as the judge of what the mock writes."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from fastgate._core import MockProvider

MODEL = "gemini-2.5-flash"
DECLARATIONS = [{"name": name, "parameters_json_schema": {"type": "object"}} for name in ("weather", "time")]
TOOLS = {"tools": [{"function_declarations": DECLARATIONS}]}
CALLS = [{"name": "weather", "arguments": '{"city": "Zürich"}'}, {"name": "time", "arguments": "{}"}]
THOUGHTS = {"thinking_config": {"include_thoughts": True}}


@pytest.fixture
def client(provider: MockProvider) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=f"http://{provider.address}")
    with genai.Client(api_key="any", http_options=options) as client:
        yield client


def both(client: genai.Client, **config: Any) -> tuple[list[Any], list[Any]]:
    """The whole answer, and the chunks of the streamed one."""
    asked: Any = {
        "model": MODEL,
        "contents": "hello",
        "config": types.GenerateContentConfig(**config),
    }
    whole = client.models.generate_content(**asked)
    return [whole], list(client.models.generate_content_stream(**asked))


def parts(answers: list[Any]) -> list[Any]:
    return [part for answer in answers for part in answer.candidates[0].content.parts]


def test_text_whole_and_streamed(provider: MockProvider, client: genai.Client) -> None:
    provider.set_script('{"defaults": {"content": "Grüße 世界 \\"🌍\\""}}')
    whole, chunks = both(client)
    assert [part.text for part in parts(chunks)] == ["Grüße", " 世界", ' "🌍"', ""]
    assert whole[0].text == 'Grüße 世界 "🌍"'
    for answer in (whole[-1], chunks[-1]):
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP
        assert (answer.model_version, answer.candidates[0].content.role) == (MODEL, "model")
    assert [chunk.candidates[0].finish_reason for chunk in chunks[:-1]] == [None] * 3
    assert len({chunk.response_id for chunk in chunks}) == 1


def test_usage_counts_thoughts_apart(provider: MockProvider, client: genai.Client) -> None:
    usage = {"prompt_tokens": 120, "cached_tokens": 100, "completion_tokens": 9, "reasoning_tokens": 4}
    provider.set_script(json.dumps({"defaults": {"usage": usage}}))
    for answers in both(client):
        counted = answers[-1].usage_metadata
        assert (counted.prompt_token_count, counted.cached_content_token_count) == (120, 100)
        assert (counted.candidates_token_count, counted.thoughts_token_count) == (5, 4)
        assert counted.total_token_count == 129


def test_thoughts_and_their_signature(provider: MockProvider, client: genai.Client) -> None:
    provider.set_script(
        '{"defaults": {"reasoning": "let me see", "signature": "c2ln+/8=", "content": "yes"}}'
    )
    for answers in both(client, **THOUGHTS):
        thought = "".join(part.text for part in parts(answers) if part.thought)
        said = "".join(part.text for part in parts(answers) if not part.thought)
        assert (thought, said) == ("let me see", "yes")
        signatures = [part.thought_signature for part in parts(answers) if part.thought_signature]
        assert signatures == [b"sig\xfb\xff"]
    assert [part.thought for part in parts(both(client)[0])] == [None]


def test_tool_calls_whole_and_streamed_are_the_same(provider: MockProvider, client: genai.Client) -> None:
    provider.set_script(json.dumps({"defaults": {"tool_calls": CALLS, "signature": "c2ln"}}))
    for answers in both(client, **TOOLS):
        calls = [part for part in parts(answers) if part.function_call]
        assert [(part.function_call.name, part.function_call.args) for part in calls] == [
            ("weather", {"city": "Zürich"}),
            ("time", {}),
        ]
        assert [part.thought_signature for part in calls] == [b"sig", None]
        assert answers[-1].candidates[0].finish_reason == types.FinishReason.STOP
    forbidden = {"tool_config": {"function_calling_config": {"mode": "NONE"}}}
    assert both(client, **TOOLS, **forbidden)[0][0].function_calls is None


def test_several_candidates_and_a_token_limit(client: genai.Client) -> None:
    whole, chunks = both(client, candidate_count=2, max_output_tokens=2)
    texts = ["".join(part.text for part in candidate.content.parts) for candidate in whole[0].candidates]
    assert texts == ["The mock", "The mock"]
    assert [candidate.finish_reason for candidate in whole[0].candidates] == [
        types.FinishReason.MAX_TOKENS
    ] * 2
    assert {chunk.candidates[0].index for chunk in chunks} == {0, 1}


def test_a_refusal_is_a_blocked_prompt(provider: MockProvider, client: genai.Client) -> None:
    provider.set_script('{"defaults": {"refusal": "No."}}')
    for answers in both(client):
        (answer,) = answers
        assert answer.candidates is None
        assert answer.prompt_feedback.block_reason == types.BlockedReason.SAFETY
        assert answer.prompt_feedback.block_reason_message == "No."


def test_tokens_are_counted(provider: MockProvider, client: genai.Client) -> None:
    assert client.models.count_tokens(model=MODEL, contents="hello").total_tokens
    provider.set_script('{"defaults": {"usage": {"prompt_tokens": 42}}}')
    assert client.models.count_tokens(model=MODEL, contents="hello").total_tokens == 42


def test_embeddings_depend_on_their_text_alone(provider: MockProvider, client: genai.Client) -> None:
    def embed(*contents: Any) -> list[list[float]]:
        config = types.EmbedContentConfig(output_dimensionality=8)
        answer = client.models.embed_content(
            model="gemini-embedding-001", contents=list(contents), config=config
        )
        return [embedding.values or [] for embedding in answer.embeddings or []]

    first, second = embed("a", "b")
    assert len(first) == 8
    assert first != second
    assert embed("b", "a") == [second, first]
    body = {"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8}
    url = f"http://{provider.address}/v1beta/models/gemini-embedding-001:embedContent"
    assert httpx.post(url, json=body).json()["embedding"]["values"] == pytest.approx(first)
    assert httpx.post(url, json={}).json()["error"]["status"] == "INVALID_ARGUMENT"


def test_models_are_listed(client: genai.Client) -> None:
    listed = [model.name for model in client.models.list()]
    assert "models/gemini-2.5-flash" in listed
    assert client.models.get(model=MODEL).name == f"models/{MODEL}"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "INVALID_ARGUMENT"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_an_error_is_what_the_sdk_makes_of_it(
    provider: MockProvider, client: genai.Client, status: int, name: str
) -> None:
    provider.set_script(json.dumps({"defaults": {"status": status, "error": {"message": "boom"}}}))
    raised = errors.ClientError if status < 500 else errors.ServerError
    with pytest.raises(raised, match="boom") as told:
        client.models.generate_content(model=MODEL, contents="hello")
    assert (told.value.code, told.value.status) == (status, name)


def test_an_error_event_reaches_the_sdk(provider: MockProvider, client: genai.Client) -> None:
    provider.set_script('{"defaults": {"error_event": "events:2", "error": {"message": "boom"}}}')
    with pytest.raises(errors.ServerError, match="boom") as told:
        list(client.models.generate_content_stream(model=MODEL, contents="hello"))
    assert told.value.code == 503


def test_a_model_name_carries_a_fault(provider: MockProvider, client: genai.Client) -> None:
    with pytest.raises(errors.ServerError) as told:
        client.models.generate_content(model=f"{MODEL}@mock-fault:status=503", contents="hello")
    assert told.value.code == 503
    answer = client.models.generate_content(model=f"{MODEL}@mock-fault:content=ok", contents="hello")
    assert (answer.text, answer.model_version) == ("ok", MODEL)
