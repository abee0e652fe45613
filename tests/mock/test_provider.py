"""Scripts, records, counters, inspection and time, through plain HTTP."""

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.mock.raw_http import CHAT, connect, read_until, request_bytes

from fastgate._core import MockProvider


def statuses(provider: MockProvider, count: int, **fields: object) -> list[int]:
    with httpx.Client(base_url=f"http://{provider.address}") as client:
        return [client.post("/v1/chat/completions", json=CHAT | fields).status_code for _ in range(count)]


def test_first_two_calls_fail_then_all_is_well(provider: MockProvider) -> None:
    provider.set_script('{"steps": [{"times": 2, "status": 503}]}')
    assert statuses(provider, 4) == [503, 503, 200, 200]
    provider.append_script('{"steps": [{"status": 429}]}')
    assert statuses(provider, 2) == [429, 200]


def test_many_threads_use_each_step_exactly_as_often_as_it_says() -> None:
    provider = MockProvider(threads=2, script='{"steps": [{"times": 40, "status": 503}]}')
    with ThreadPoolExecutor(8) as pool:
        answers = [status for part in pool.map(lambda _: statuses(provider, 10), range(8)) for status in part]
    provider.stop()
    assert (answers.count(503), answers.count(200)) == (40, 40)


def test_a_wrong_script_is_refused_and_the_old_one_stays(provider: MockProvider) -> None:
    provider.set_script('{"defaults": {"status": 418}}')
    with pytest.raises(ValueError, match=r"step 1: .*unknown field `statsu`"):
        provider.set_script('{"steps": [{"statsu": 503}]}')
    assert statuses(provider, 1) == [418]
    with pytest.raises(ValueError, match="content_bytes"):
        MockProvider(content_bytes=-1)
    with pytest.raises(ValueError, match="listen"):
        MockProvider(listen="nowhere")
    with pytest.raises(OSError, match="mock provider"):
        MockProvider(listen=provider.address)


def test_records_keep_the_request_as_it_came(provider: MockProvider) -> None:
    body = b'{"model": "m",  "messages": []}'
    before = time.time()
    httpx.post(f"http://{provider.address}/v1/chat/completions?x=1", content=body, headers={"x-a": "b"})
    assert provider.wait(requests=1)
    (record,) = provider.requests()
    assert (record["method"], record["path"], record["body"]) == ("POST", "/v1/chat/completions?x=1", body)
    assert ("x-a", "b") in record["headers"]
    assert record["outcome"] == "answered"
    assert before - 0.1 <= record["at"] <= time.time() + 0.1


def test_a_chunked_request_body_is_read(provider: MockProvider) -> None:
    def pieces() -> object:
        yield b'{"model":"m",'
        yield b'"messages":[]}'

    answer = httpx.post(f"http://{provider.address}/v1/chat/completions", content=pieces())  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert provider.requests()[0]["body"] == b'{"model":"m","messages":[]}'


def test_counts_know_what_is_open_and_in_flight(provider: MockProvider) -> None:
    provider.set_script('{"steps": [{"times": 3, "stall": "after_headers"}]}')
    connections = [connect(provider) for _ in range(3)]
    for connection in connections:
        connection.sendall(request_bytes(stream=True))
        read_until(connection, b"\r\n\r\n")
    counts = provider.counts()
    assert (counts["in_flight"], counts["in_flight_max"], counts["connections_open"]) == (3, 3, 3)
    for connection in connections:
        connection.close()
    assert provider.wait(in_flight=0)
    assert provider.counts()["client_closed"] == 3
    provider.reset()
    assert (provider.counts()["requests"], provider.requests()) == (0, [])


def test_inspection_over_http_is_not_counted(provider: MockProvider) -> None:
    with httpx.Client(base_url=f"http://{provider.address}") as client:
        script = {"steps": [{"status": 503}]}
        assert client.put("/_mock/script", json=script).json() == {"ok": True}
        assert client.post("/_mock/script", json={"steps": [{"status": 504}]}).status_code == 200
        refused = client.put("/_mock/script", content=b"{")
        assert (refused.status_code, "error" in refused.json()) == (400, True)
        assert [client.post("/v1/chat/completions", json=CHAT).status_code for _ in range(3)] == [
            503,
            504,
            200,
        ]
        client.post("/v1/embeddings", content=b"\xff")
        records = client.get("/_mock/requests").json()
        assert [record["id"] for record in records] == [1, 2, 3, 4]
        assert json.loads(records[0]["body"]) == CHAT
        assert records[3]["body_base64"] == "/w=="
        assert client.get("/_mock/counts").json()["requests"] == 4
        client.post("/_mock/reset")
        assert client.get("/_mock/counts").json()["requests"] == 0
        assert client.get("/_mock/nothing").status_code == 404


def test_reset_starts_the_first_script_again() -> None:
    provider = MockProvider(script='{"steps": [{"status": 500}]}')
    assert statuses(provider, 2) == [500, 200]
    provider.reset()
    assert statuses(provider, 1) == [500]
    provider.stop()


def test_recording_can_be_off() -> None:
    provider = MockProvider(record=False)
    assert statuses(provider, 2) == [200, 200]
    assert (provider.requests(), provider.counts()["requests"]) == ([], 2)
    provider.stop()


def test_waits_take_the_time_they_name_and_seeds_repeat_them() -> None:
    def durations(seed: int) -> list[float | None]:
        provider = MockProvider(seed=seed, latency_ms="uniform(1,40)")
        statuses(provider, 4)
        # An answer has reached its client a moment before the provider writes its end down.
        assert provider.wait(in_flight=0)
        records = provider.requests()
        provider.stop()
        return [record["ended_after_ms"] for record in records]

    first, again = durations(1), durations(1)
    for one, other in zip(first, again, strict=True):
        assert one is not None
        assert other is not None
        assert one == pytest.approx(other, abs=15)
    assert max(value or 0 for value in first) > 5


def test_a_paced_stream_takes_first_token_and_gaps() -> None:
    provider = MockProvider(first_token_ms=20, gap_ms=5, chunks=5)
    statuses(provider, 1, stream=True)
    assert provider.wait(in_flight=0)
    (record,) = provider.requests()
    provider.stop()
    assert record["ended_after_ms"] is not None
    assert record["ended_after_ms"] >= 40


def test_stop_closes_what_is_open_and_frees_the_port(provider: MockProvider) -> None:
    with connect(provider) as connection:
        connection.sendall(request_bytes("stall=after_headers", stream=True))
        read_until(connection, b"\r\n\r\n")
        stopper = threading.Thread(target=provider.stop)
        stopper.start()
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
        stopper.join()
    MockProvider(listen=provider.address).stop()


def test_unknown_paths_and_bad_json_are_refused_like_openai(provider: MockProvider) -> None:
    with httpx.Client(base_url=f"http://{provider.address}") as client:
        assert client.get("/v1/nothing").status_code == 404
        answer = client.post("/v1/chat/completions", content=b"{")
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert client.get("/models").json()["object"] == "list"
