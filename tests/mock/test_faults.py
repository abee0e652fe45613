"""Every fault over a bare socket: which bytes come, and how the connection ends."""

import base64
import json

import httpx
import pytest
from tests.mock.raw_http import CHAT, connect, read_all, read_until, request_bytes, unchunked

from fastgate._core import MockProvider

STREAM_EVENTS = 12  # role, nine words, finish, [DONE]


def fault(provider: MockProvider, spec: str, *, stream: bool = True) -> tuple[bytes, bytes, str]:
    """Head, body as received, and how the connection ended."""
    with connect(provider) as connection:
        connection.sendall(request_bytes(spec, stream=stream))
        received, ending = read_all(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body, ending


def whole_stream(provider: MockProvider) -> bytes:
    with connect(provider) as connection:
        connection.sendall(request_bytes(stream=True))
        received = read_until(connection, b"\r\n0\r\n\r\n")
    payload, complete = unchunked(received.partition(b"\r\n\r\n")[2])
    assert complete
    return payload


def events(payload: bytes) -> list[bytes]:
    return [event for event in payload.split(b"\n\n") if event.startswith(b"data:")]


def test_the_plain_stream_has_the_events_that_faults_are_counted_by(provider: MockProvider) -> None:
    payload = whole_stream(provider)
    assert len(events(payload)) == STREAM_EVENTS
    assert payload.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [False, True])
def test_reset_before_headers_sends_nothing(provider: MockProvider, stream: bool) -> None:
    assert fault(provider, "reset=before_headers", stream=stream) == (b"", b"", "reset")
    assert provider.wait(requests=1)
    assert provider.requests()[0]["outcome"] == "reset"


@pytest.mark.parametrize(("name", "ending"), [("reset", "reset"), ("cut", "fin")])
@pytest.mark.parametrize("stream", [False, True])
def test_after_headers_only_the_head_comes(
    provider: MockProvider, name: str, ending: str, stream: bool
) -> None:
    head, body, how = fault(provider, f"{name}=after_headers", stream=stream)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (body, how) == (b"", ending)


@pytest.mark.parametrize("count", range(STREAM_EVENTS + 1))
def test_cut_at_every_event_border(provider: MockProvider, count: int) -> None:
    _, body, ending = fault(provider, f"cut=events:{count}")
    payload, complete = unchunked(body)
    assert (len(events(payload)), complete, ending) == (count, False, "fin")
    assert payload == b"" or payload.endswith(b"\n\n")


@pytest.mark.parametrize("number", range(1, STREAM_EVENTS + 1))
def test_cut_inside_every_event(provider: MockProvider, number: int) -> None:
    payload, complete = unchunked(fault(provider, f"cut=inside_event:{number}")[1])
    assert (len(events(payload)), complete) == (number, False)
    assert not payload.endswith(b"\n\n")


def test_reset_after_events_leaves_what_came_before(provider: MockProvider) -> None:
    _, body, ending = fault(provider, "reset=events:3")
    assert (len(events(unchunked(body)[0])), ending) == (3, "reset")


def test_cut_at_a_byte_of_json_breaks_the_promised_length(provider: MockProvider) -> None:
    head, body, ending = fault(provider, "cut=bytes:100", stream=False)
    declared = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert (len(body), ending) == (100, "fin")
    assert declared > 500


@pytest.mark.parametrize(
    ("spec", "received"),
    [
        ("stall=before_headers", b""),
        ("stall=after_headers", b"transfer-encoding: chunked\r\n\r\n"),
        ("stall=before_content", b'"role":"assistant"'),
        ("stall=events:4", b"\n\n\r\n"),
    ],
)
def test_a_stalled_request_sees_the_client_leave_at_once(
    provider: MockProvider, spec: str, received: bytes
) -> None:
    with connect(provider) as connection:
        connection.sendall(request_bytes(spec, stream=True))
        assert received in read_until(connection, received) if received else True
        assert provider.wait(requests=1, in_flight=1)
        assert provider.requests()[0]["outcome"] == "in_flight"
    assert provider.wait(in_flight=0, timeout_s=1)
    record = provider.requests()[0]
    assert record["outcome"] == "client_closed"
    assert record["ended_after_ms"] is not None
    assert provider.counts()["client_closed"] == 1


def test_a_stall_with_an_end_goes_on_and_pings_meanwhile(provider: MockProvider) -> None:
    with connect(provider) as connection:
        connection.sendall(request_bytes("stall=before_content;stall_ms=60;ping_ms=10", stream=True))
        payload, complete = unchunked(read_until(connection, b"\r\n0\r\n\r\n").partition(b"\r\n\r\n")[2])
    assert complete
    assert len(events(payload)) == STREAM_EVENTS
    assert 1 <= payload.count(b": mock ping\n\n") <= 6


@pytest.mark.parametrize(("point", "before"), [("before_content", 1), ("events:5", 5)])
def test_an_error_event_ends_the_stream_without_done(provider: MockProvider, point: str, before: int) -> None:
    client = httpx.Client(base_url=f"http://{provider.address}")
    headers = {"x-mock-fault": f"error_event={point};error.code=overloaded"}
    with client:
        answer = client.post("/v1/chat/completions", json=CHAT | {"stream": True}, headers=headers)
    assert answer.status_code == 200
    *rest, last = events(answer.content)
    assert len(rest) == before
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "overloaded"
    assert b"[DONE]" not in answer.content


@pytest.mark.parametrize(
    ("omitted", "absent"),
    [("done", b"[DONE]"), ("finish_reason", b'"finish_reason":"stop"'), ("role", b'"role"')],
)
def test_omissions(provider: MockProvider, omitted: str, absent: bytes) -> None:
    with connect(provider) as connection:
        connection.sendall(request_bytes(f"omit={omitted}", stream=True))
        payload, complete = unchunked(read_until(connection, b"\r\n0\r\n\r\n").partition(b"\r\n\r\n")[2])
    assert complete
    assert len(events(payload)) == STREAM_EVENTS - 1
    assert absent not in payload


@pytest.mark.parametrize("sizes", ["1", "7", "3,1,2"])
def test_any_split_carries_the_same_characters(provider: MockProvider, sizes: str) -> None:
    with connect(provider) as connection:
        connection.sendall(request_bytes(f"split_bytes={sizes};content=héé 世界 🌍", stream=True))
        received = read_until(connection, b"\r\n0\r\n\r\n").partition(b"\r\n\r\n")[2]
    assert int(received.partition(b"\r\n")[0], 16) == int(sizes[0])
    deltas = [json.loads(event.removeprefix(b"data: ")) for event in events(unchunked(received)[0])[:-1]]
    assert "".join(delta["choices"][0]["delta"].get("content", "") for delta in deltas) == "héé 世界 🌍"


def test_crlf_and_comments(provider: MockProvider) -> None:
    with connect(provider) as connection:
        connection.sendall(request_bytes("line_end=crlf;comment_every=3", stream=True))
        payload, _ = unchunked(read_until(connection, b"\r\n0\r\n\r\n").partition(b"\r\n\r\n")[2])
    assert payload.count(b"\r\n\r\n") == STREAM_EVENTS + 4
    assert payload.count(b": mock ping\r\n\r\n") == 4
    assert payload.count(b"\n") == 2 * payload.count(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("spec", "content_type", "body"),
    [
        ("garbage=html", "text/html", b"<!DOCTYPE html>"),
        ("garbage=empty", "application/json", b""),
        ("garbage=invalid_json", "application/json", b'{"id":"chatcmpl-broken"'),
        ("content_type=text/plain", "text/plain", b'{"id":"chatcmpl-'),
        ('{"body":{"any":"thing"},"headers":{"x-extra":"1"}}', "application/json", b'{"any":"thing"}'),
    ],
)
def test_garbage_comes_with_status_200(
    provider: MockProvider, spec: str, content_type: str, body: bytes
) -> None:
    url = f"http://{provider.address}/v1/chat/completions"
    answer = httpx.post(url, json=CHAT, headers={"x-mock-fault": spec})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == content_type
    assert answer.content.startswith(body)
    assert body or not answer.content


def test_bytes_that_are_no_http(provider: MockProvider) -> None:
    with connect(provider) as connection:
        connection.sendall(request_bytes("garbage=not_http"))
        received, ending = read_all(connection)
    assert (received[:15], ending) == (b"<!DOCTYPE html>", "fin")


def test_silent_close_promises_keep_alive(provider: MockProvider) -> None:
    head, body, ending = fault(provider, "close=silent", stream=False)
    assert b"connection" not in head.lower()
    assert json.loads(body)["object"] == "chat.completion"
    assert ending == "fin"
    assert b"connection: close" in fault(provider, "close=announced", stream=False)[0]


@pytest.mark.parametrize("declared", [10, 5000])
def test_wrong_content_length(provider: MockProvider, declared: int) -> None:
    with connect(provider) as connection:
        connection.sendall(request_bytes(f"content_length={declared}"))
        received = read_until(connection, b'"fp_ff25b2783a"}')
        head, _, body = received.partition(b"\r\n\r\n")
        assert f"content-length: {declared}".encode() in head
        assert json.loads(body)["object"] == "chat.completion"
        if declared > len(body):
            assert read_all(connection) == (b"", "fin")


def test_recorded_bytes_come_back_as_they_were(provider: MockProvider) -> None:
    recorded = b'data: {"a":"\xc3\xa9"}\r\n\r\ndata: [DONE]\r\n\r\n'
    spec = json.dumps({"body_base64": base64.b64encode(recorded).decode(), "split_bytes": [3]})
    url = f"http://{provider.address}/v1/anything"
    answer = httpx.post(url, json={"whatever": 1}, headers={"x-mock-fault": spec})
    assert answer.content == recorded
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 529])
def test_any_status_with_any_retry_header(provider: MockProvider, status: int) -> None:
    headers = {"x-mock-fault": f"status={status};headers.retry-after=2;headers.retry-after-ms=1500.5"}
    answer = httpx.post(f"http://{provider.address}/v1/chat/completions", json=CHAT, headers=headers)
    assert answer.status_code == status
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("2", "1500.5")
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_fault_that_cannot_be_read_says_so(provider: MockProvider) -> None:
    headers = {"x-mock-fault": "statsu=503"}
    answer = httpx.post(f"http://{provider.address}/v1/chat/completions", json=CHAT, headers=headers)
    assert answer.status_code == 400
    assert "statsu" in answer.json()["error"]["message"]


def test_a_model_name_carries_a_fault(provider: MockProvider) -> None:
    url = f"http://{provider.address}/v1/chat/completions"
    assert httpx.post(url, json=CHAT | {"model": "gpt-4o@mock-fault:status=529"}).status_code == 529
    answer = httpx.post(url, json=CHAT | {"model": "gpt-4o@mock-fault:content=ok"})
    assert answer.json()["model"] == "gpt-4o"


def test_the_connection_serves_on_after_a_scripted_stream(provider: MockProvider) -> None:
    with connect(provider) as connection:
        pipelined = request_bytes("gap_ms=1", stream=True) + request_bytes(stream=False)
        connection.sendall(pipelined)
        received = read_until(connection, b'"object":"chat.completion",')
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.index(b"[DONE]") < received.index(b'"object":"chat.completion",')
    assert provider.counts()["connections_accepted"] == 1
