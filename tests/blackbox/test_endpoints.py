"""OpenAI's interface beside chat, with the official SDK through every door."""

import json
from typing import Any

import openai
import pytest
from tests.blackbox.gateway import Gateway
from tests.blackbox.upstream import Upstream

TEXT = "Grüße, 世界 🌍: the answer is forty-two, and then some."
SOUND = b"RIFF\x00\xff\r\n--not-a-boundary" + bytes(range(256)) * 300


def test_responses(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, usage={"prompt_tokens": 11, "completion_tokens": 7})
    with gateway.client() as client:
        made = client.responses.create(model="gpt-4o", input="Hello")
        assert made.output_text == TEXT
        assert made.usage is not None
        assert (made.usage.input_tokens, made.usage.output_tokens) == (11, 7)
        assert client.responses.retrieve(made.id).id == made.id
        items = list(client.responses.input_items.list(made.id, limit=7, order="asc"))
        assert [item.id for item in items] == [f"msg_of_{made.id}"]
        assert client.responses.cancel(made.id).status == "cancelled"
        client.responses.delete(made.id)
        after = client.responses.create(model="gpt-4o", input="And?", previous_response_id=made.id)
        assert after.previous_response_id == made.id
    paths = [seen.path for seen in upstream.seen()]
    assert paths == [
        "/v1/responses",
        f"/v1/responses/{made.id}",
        f"/v1/responses/{made.id}/input_items?limit=7&order=asc",
        f"/v1/responses/{made.id}/cancel",
        f"/v1/responses/{made.id}",
        "/v1/responses",
    ]


def test_a_stream_of_responses(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, chunks=9, split_bytes=[5, 1, 17])
    with gateway.client() as client:
        events = list(client.responses.create(model="gpt-4o", input="Hello", stream=True))
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert text == TEXT
        assert [event.sequence_number for event in events] == list(range(len(events)))
        last = events[-1]
        assert last.type == "response.completed"
        assert last.response.usage is not None
        assert client.responses.retrieve(last.response.id).id == last.response.id


@pytest.mark.parametrize(
    "fault",
    [{"cut": "events:6"}, {"cut": "inside_event:6"}, {"omit": ["finish_reason"]}, {"reset": "events:6"}],
    ids=str,
)
def test_a_cut_stream_of_responses_raises(
    gateway: Gateway, upstream: Upstream, fault: dict[str, Any]
) -> None:
    upstream.script(content=TEXT, chunks=9, **fault)
    received: list[str] = []
    with gateway.client() as client, pytest.raises(openai.APIError):
        received.extend(
            event.type for event in client.responses.create(model="gpt-4o", input="Hello", stream=True)
        )
    assert "response.output_text.delta" in received
    assert "response.completed" not in received


def test_a_failed_response_passes(gateway: Gateway, upstream: Upstream) -> None:
    events = [
        {"type": "response.created", "response": {"id": "resp_1"}, "sequence_number": 0},
        {"type": "response.failed", "response": {"id": "resp_1", "status": "failed"}, "sequence_number": 1},
    ]
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
    upstream.answer_bytes(body, content_type="text/event-stream")
    answer = post(gateway, "/v1/responses", {"model": "gpt-4o", "input": "x", "stream": True})
    assert answer == body


def test_completions(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, chunks=7, split_bytes=[5, 1, 17])
    with gateway.client() as client:
        whole = client.completions.create(model="davinci-002", prompt="Hello")
        assert whole.choices[0].text == TEXT
        assert whole.usage is not None
        chunks = list(client.completions.create(model="davinci-002", prompt="Hello", stream=True))
        assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == TEXT
        assert all(chunk.usage is None for chunk in chunks)
        options: Any = {"include_usage": True}
        counted = list(
            client.completions.create(
                model="davinci-002", prompt="Hello", stream=True, stream_options=options
            )
        )
        assert counted[-1].usage is not None


def test_a_cut_completion_raises(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, chunks=7, cut="events:4")
    with gateway.client() as client, pytest.raises(openai.APIError):
        list(client.completions.create(model="davinci-002", prompt="Hello", stream=True))


def test_embeddings(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.client() as client:
        encoded = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)
        floats = client.embeddings.create(
            model="text-embedding-3-small", input=["a", "b"], dimensions=8, encoding_format="float"
        )
    assert [len(item.embedding) for item in encoded.data] == [8, 8]
    for one, other in zip(encoded.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
    assert floats.usage.prompt_tokens > 0
    assert {seen.path for seen in upstream.seen()} == {"/v1/embeddings"}


def test_moderations(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.client() as client:
        assert not client.moderations.create(input="Hello").results[0].flagged
        assert client.moderations.create(input="x", model="omni-moderation-latest").results
    # What the client left out is left out.
    assert json.loads(upstream.seen()[0].body) == {"input": "Hello"}


def test_images(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.client() as client:
        made = client.images.generate(model="gpt-image-1", prompt="a cat", n=2)
        assert made.data is not None
        assert len(made.data) == 2
        edited = client.images.edit(
            model="gpt-image-1", prompt="a hat", image=("cat.png", SOUND, "image/png")
        )
        assert edited.data
        with pytest.deprecated_call():
            variation = client.images.create_variation(image=("cat.png", SOUND, "image/png"), model="m")
        assert variation.data
        events = list(client.images.generate(model="gpt-image-1", prompt="a cat", stream=True))
        assert [event.type for event in events] == [
            "image_generation.partial_image",
            "image_generation.completed",
        ]
    assert SOUND in upstream.seen()[1].body
    assert (upstream.seen()[1].header("content-type") or "").startswith("multipart/form-data; boundary=")


def test_speech(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content_bytes=300_000, split_bytes=[1000, 70_000])
    with gateway.client() as client:
        answer = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello")
    assert answer.content == bytes([0xFF, 0xFB, 0x90, 0]) * 75_000
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert upstream.only().header("accept") == "*/*"


def test_a_cut_recording_is_not_whole(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content_bytes=300_000, cut="bytes:200000")
    with gateway.client() as client, pytest.raises(openai.APIError):
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello")


def test_content_of_a_foreign_type_is_refused(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(garbage="html")
    with gateway.client() as client, pytest.raises(openai.InternalServerError) as caught:
        client.audio.speech.create(model="tts-1", voice="alloy", input="Hello")
    assert caught.value.code == "provider_failed"


def test_transcripts(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT, chunks=5)
    sound = ("speech.wav", SOUND, "audio/wav")
    with gateway.client() as client:
        made = client.audio.transcriptions.create(model="whisper-1", file=sound)
        assert made.text == TEXT
        plain = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format="text")
        assert str(plain) == TEXT
        events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=sound, stream=True))
        assert [event.type for event in events][-1] == "transcript.text.done"
        with pytest.deprecated_call():
            translation = client.audio.translations.create(model="whisper-1", file=sound)
        assert translation.text == TEXT
    assert all(SOUND in seen.body for seen in upstream.seen())


def test_files(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content=TEXT)
    with gateway.client() as client:
        file = client.files.create(file=("batch.jsonl", SOUND), purpose="batch")
        assert client.files.retrieve(file.id).id == file.id
        assert client.files.content(file.id).content == TEXT.encode()
        assert [item.id for item in client.files.list(purpose="batch")] == ["file-mock"]
        assert client.files.delete(file.id).deleted
    assert [seen.path for seen in upstream.seen()] == [
        "/v1/files",
        f"/v1/files/{file.id}",
        f"/v1/files/{file.id}/content",
        "/v1/files?purpose=batch",
        f"/v1/files/{file.id}",
    ]
    assert SOUND in upstream.seen()[0].body


def test_batches(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.client() as client:
        file = client.files.create(file=("batch.jsonl", b"{}"), purpose="batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        done = client.batches.retrieve(batch.id)
        assert (done.id, done.status) == (batch.id, "completed")
        assert done.output_file_id is not None
        assert client.files.content(done.output_file_id).content
        assert client.batches.cancel(batch.id).status == "cancelling"
        assert [item.id for item in client.batches.list(limit=3)] == ["batch_mock"]


def test_errors_of_a_provider_pass(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(status=429, error={"message": "slow down", "code": "rate_limit_exceeded"})
    with gateway.client() as client:
        calls: list[Any] = [
            lambda: client.responses.create(model="m", input="x"),
            lambda: client.responses.create(model="m", input="x", stream=True),
            lambda: client.embeddings.create(model="m", input="x"),
            lambda: client.audio.speech.create(model="m", voice="alloy", input="x"),
            lambda: client.audio.transcriptions.create(model="m", file=("a.wav", SOUND)),
            lambda: client.files.create(file=("a", b"x"), purpose="batch"),
        ]
        for call in calls:
            with pytest.raises(openai.RateLimitError, match="slow down"):
                call()


def test_realtime_is_refused_honestly(gateway: Gateway) -> None:
    for path, headers in [
        ("/v1/realtime", {}),
        ("/v1/realtime/sessions", {}),
        ("/v1/chat/completions", {"upgrade": "websocket", "connection": "upgrade"}),
    ]:
        # Without a body: uvicorn takes one behind an upgrade for the next request, if it comes late.
        answer = gateway.fetch("POST", path, None, headers)
        assert (answer.status, answer.error()["code"]) == (501, "not_implemented"), path
    assert gateway.fetch("GET", "/v1/vector_stores").status == 404
    not_allowed = gateway.fetch("PUT", "/v1/responses/resp_1")
    assert (not_allowed.status, not_allowed.headers["allow"]) == (405, "GET, DELETE")


def post(gateway: Gateway, path: str, body: dict[str, Any]) -> bytes:
    headers = {"content-type": "application/json", "authorization": f"Bearer {gateway.key}"}
    return gateway.fetch("POST", path, json.dumps(body).encode(), headers).body
