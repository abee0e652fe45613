"""A request with an `Idempotency-Key` is made once, however often it comes."""

import threading
from typing import Any

import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY, OTHER_KEY
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Answer, Gateway, chat_body
from tests.blackbox.records import all_records, records_of
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

REPEATS = 8


def ask(gateway: Gateway, key: str, body: bytes | None = None, *, credential: str = KEY) -> Answer:
    headers = {"authorization": f"Bearer {credential}", "idempotency-key": key}
    return gateway.chat(chat_body() if body is None else body, headers)


@pytest.mark.parametrize("stream", [False, True])
def test_repeats_at_once_join_one_call(gateway: Gateway, upstream: Upstream, stream: bool) -> None:
    upstream.script(content="one two three", latency_ms=150, gap_ms=20)
    answers: list[Answer] = []
    body = chat_body(stream=stream)
    key = f"at-once-{gateway.door}-{stream}"
    threads = [
        threading.Thread(target=lambda: answers.append(ask(gateway, key, body))) for _ in range(REPEATS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(upstream.seen()) == 1
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.headers["x-fastgate-request-id"] for answer in answers}) == REPEATS
    joined = [answer for answer in answers if answer.headers.get("x-fastgate-idempotent") == "joined"]
    assert len(joined) == REPEATS - 1
    check_billed_once(gateway, answers)


def test_a_later_repeat_gets_the_kept_answer(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content="one two three")
    first, second = (ask(gateway, f"later-{gateway.door}") for _ in range(2))
    assert first.body == second.body
    assert first.headers.get("x-fastgate-idempotent") is None
    assert second.headers["x-fastgate-idempotent"] == "replayed"
    assert len(upstream.seen()) == 1
    check_billed_once(gateway, [first, second])


def check_billed_once(gateway: Gateway, answers: list[Answer]) -> None:
    found = records_of(gateway, {answer.headers["x-fastgate-request-id"] for answer in answers})
    billed = [record for record in found.values() if record["usage"] is not None]
    assert [record["attempts"] for record in billed] == [1], found
    assert all(record["outcome"] == "answered" for record in found.values()), found


def test_a_client_that_comes_back_gets_the_answer_it_left(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(content="one two three", latency_ms=300)
    key = f"back-{gateway.door}"
    body = chat_body()
    connection = gateway.send_chat(body, f"idempotency-key: {key}\r\n")
    until(upstream.seen, "the provider was asked")
    connection.close()
    answer = ask(gateway, key, body)
    assert answer.status == 200
    assert [seen.outcome for seen in upstream.seen()] == ["answered"]
    assert answer.headers["x-fastgate-idempotent"] in ("joined", "replayed")


def test_what_failed_may_be_tried_again(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script({"status": 500}, content="one two three")
    answers = [ask(gateway, f"failed-{gateway.door}").status for _ in range(3)]
    assert answers == [500, 200, 200]
    assert len(upstream.seen()) == 2


def test_a_key_is_for_one_request_of_one_tenant(door: str, upstream: Upstream, start: Start) -> None:
    gateway = start(door, configuration.two_tenants(upstream.base_url))
    body, other = chat_body(model="chat"), chat_body(model="chat", n=1)
    assert ask(gateway, "k", body).status == 200
    refused = ask(gateway, "k", other)
    assert (refused.status, refused.error()["code"]) == (422, "idempotency_key_reused")
    foreign = ask(gateway, "k", other, credential=OTHER_KEY)
    assert (foreign.status, foreign.headers.get("x-fastgate-idempotent")) == (200, None)
    assert len(upstream.seen()) == 2


@pytest.mark.parametrize("key", ["", "k" * 257])
def test_a_key_has_a_length(gateway: Gateway, upstream: Upstream, key: str) -> None:
    answer = ask(gateway, key)
    assert (answer.status, answer.error()["code"]) == (400, "invalid_request")
    assert not upstream.seen()


def test_what_is_kept_is_bounded(door: str, upstream: Upstream, start: Start) -> None:
    bounds = '\n[resilience]\nretries = 0\nidempotency = { keep = "10m", size = "40KB" }\n'
    gateway = start(door, configuration.open_provider(upstream.base_url), resilience=bounds)
    upstream.script(content_bytes=3000)
    for number in range(20):
        assert ask(gateway, f"key-{number}").status == 200
    replayed = [answered(gateway, f"key-{number}") for number in range(20)]
    assert not replayed[0]
    # Too large to be kept at all, and whole all the same.
    upstream.script(content_bytes=60_000)
    assert len(ask(gateway, "large").json()["choices"][0]["message"]["content"]) == 60_000
    assert not answered(gateway, "large")
    assert len(all_records(gateway)) == 42


def answered(gateway: Gateway, key: str) -> Any:
    return ask(gateway, key).headers.get("x-fastgate-idempotent")
