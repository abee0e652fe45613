"""Routing and resilience as a client meets them: who answers, what the headers tell, what is left alone."""

import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import openai
import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import EUROPE_KEY, KEY, OTHER_KEY, key_table
from tests.blackbox.conftest import ALL_DOORS, Start
from tests.blackbox.gateway import Answer, Gateway, chat_body, fetch, running
from tests.blackbox.records import all_records, records_of
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

CLIENTS_THAT_LEAVE = 1000
STREAMS = 200
PROVIDERS = ("one", "two", "three")
RESILIENCE = """
[resilience]
backoff = "10ms"
backoff_max = "20ms"
breaker = { failures = 3, open = "300ms", open_max = "600ms" }
"""


def config(base_url: str, more: str = "") -> str:
    """Three providers with a deployment each, in chains."""
    tables = [
        configuration.provider(base_url).replace("upstream", name)
        + f'[deployments.{name}]\nprovider = "{name}"\nmodel = "m-{name}"\nregion = "{region}"\n'
        for name, region in zip(PROVIDERS, ("us", "eu", "eu"), strict=True)
    ]
    return (
        "".join(tables)
        + f"""
[models.chat]
budget = "5s"
use = ["one", "two", "three"]
{more}
[tiers.free]
[tenants.acme]
[tenants.europe]
region = "eu"
[tenants.other]
tier = "free"
"""
        + key_table(KEY)
        + key_table(EUROPE_KEY, tenant="europe")
        + key_table(OTHER_KEY, tenant="other", more='deployments = ["two"]\n')
    )


TABLE = """
[models.table]
aliases = ["table-next"]
[[models.table.rows]]
when = { model = "table-next" }
use = ["three"]
[[models.table.rows]]
when = { tier = "free" }
use = ["one", "two"]
[[models.table.rows]]
when = { feature = "search", latency = ["background", "batch"] }
use = ["two"]
[[models.table.rows]]
when = { context_over = 5_000 }
use = ["two", "one"]
[[models.table.rows]]
when = { capability = "tools" }
use = ["three"]
[[models.table.rows]]
use = ["one"]
"""


@pytest.fixture(scope="module", params=ALL_DOORS)
def routed(
    request: pytest.FixtureRequest, provider: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway that is only asked things that leave no trace in the health of its deployments."""
    folder = tmp_path_factory.mktemp(f"routed-{request.param}")
    with running(request.param, folder, config(provider.base_url, TABLE), resilience=RESILIENCE) as gateway:
        yield gateway


def ask(
    gateway: Gateway, model: str, *, key: str = KEY, headers: dict[str, str] | None = None, **body: Any
) -> Answer:
    return gateway.chat(chat_body(model=model, **body), {"authorization": f"Bearer {key}", **(headers or {})})


def deployment(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return answer.headers["x-fastgate-deployment"]


@pytest.mark.parametrize(
    ("expected", "asked"),
    [
        ("one", {}),
        ("three", {"model": "table-next"}),
        ("two", {"key": OTHER_KEY}),
        ("two", {"headers": {"x-fastgate-feature": "search", "x-fastgate-latency": "batch"}}),
        ("one", {"headers": {"x-fastgate-feature": "search"}}),
        ("two", {"messages": [{"role": "user", "content": "word " * 6_000}]}),
        ("three", {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_the_first_row_that_matches_decides(
    routed: Gateway, upstream: Upstream, expected: str, asked: dict[str, Any]
) -> None:
    assert deployment(ask(routed, **{"model": "table", **asked})) == expected


def test_nothing_widens_residency(routed: Gateway, upstream: Upstream) -> None:
    assert deployment(ask(routed, "chat", key=EUROPE_KEY)) == "two"
    assert deployment(ask(routed, "chat", headers={"x-fastgate-region": "eu"})) == "two"
    for refused in (
        ask(routed, "chat", key=EUROPE_KEY, headers={"x-fastgate-region": "us"}),
        ask(routed, "one", key=EUROPE_KEY),
        ask(routed, "chat", headers={"x-fastgate-region": "mars"}),
    ):
        assert (refused.status, refused.error()["code"]) == (400, "no_route")
    message = refused.error()["message"]
    assert all(name in message and "mars" in message for name in PROVIDERS), message
    assert len(upstream.seen()) == 2


def test_a_client_may_choose_among_what_is_left(routed: Gateway, upstream: Upstream) -> None:
    def chosen(wish: str, **more: Any) -> str:
        return deployment(ask(routed, "chat", headers={"x-fastgate-route": wish}, **more))

    assert chosen("order=three") == "three"
    assert chosen("only=two,three") == "two"
    assert chosen("ignore=one; order=three") == "three"
    assert chosen("order=one", key=EUROPE_KEY) == "two"
    refused = ask(routed, "chat", headers={"x-fastgate-route": "only=one; ignore=one"})
    assert (refused.status, refused.error()["code"]) == (400, "no_route")
    wrong = ask(routed, "chat", headers={"x-fastgate-route": "sort=colour"})
    assert wrong.status == 400
    assert "x-fastgate-route" in wrong.error()["message"]


def test_headers_and_record_tell_the_trail(door: str, upstream: Upstream, start: Start) -> None:
    gateway = start(door, config(upstream.base_url), resilience=RESILIENCE)
    upstream.script(
        {"when": {"model": "m-one"}, "times": "always", "status": 503},
        {
            "when": {"model": "m-two"},
            "times": "always",
            "status": 429,
            "error": {"code": "insufficient_quota"},
        },
    )
    answer = ask(gateway, "chat")
    assert deployment(answer) == "three"
    assert answer.headers["x-fastgate-attempts"] == "5"
    trail = [part.split(";")[:3] for part in answer.headers["x-fastgate-trail"].split(", ")]
    assert trail == [["one", "reason=overloaded", "status=503"]] * 3 + [
        ["two", "reason=quota_spent", "status=429"]
    ]
    assert answer.headers["x-fastgate-budget-ms"] == "5000"
    assert 0 < int(answer.headers["x-fastgate-budget-left-ms"]) < 5000
    request_id = answer.headers["x-fastgate-request-id"]
    record = records_of(gateway, {request_id})[request_id]
    assert [step["reason"] for step in record["trail"]] == ["overloaded"] * 3 + ["quota_spent"]
    assert record["route"] == {"row": 0, "chain": list(PROVIDERS)}
    assert record["budget_ms"] == 5000


@pytest.mark.parametrize(
    ("status", "fault", "expected"),
    [
        (502, {"status": 500}, "server_error"),
        (503, {"status": 503}, "server_error"),
        (504, {"stall": "before_headers"}, "provider_timeout"),
    ],
    ids=str,
)
def test_an_exhausted_chain_tells_the_primarys_failure(
    door: str, upstream: Upstream, start: Start, status: int, fault: dict[str, Any], expected: str
) -> None:
    gateway = start(door, config(upstream.base_url), resilience=RESILIENCE)
    upstream.script(stall_ms=20_000, **fault)
    with gateway.client(max_retries=2) as client, pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(
            model="chat",
            messages=[{"role": "user", "content": "Hi"}],
            extra_headers={"x-fastgate-budget-ms": "1500"},
        )
    assert raised.value.status_code == status
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["message"].startswith("one: ")
    assert raised.value.body["code"] == expected
    assert raised.value.response.headers["x-should-retry"] == "false"
    calls = [json.loads(seen.body)["model"] for seen in upstream.seen()]
    assert all(calls.count(f"m-{name}") <= 3 for name in PROVIDERS), calls
    assert len({*calls}) == 3, "the last resort had its chance"


def test_the_clients_own_time_out_is_the_budget(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(stall="before_headers", stall_ms=20_000)
    answer = gateway.chat(chat_body(), {"authorization": f"Bearer {KEY}", "x-stainless-timeout": "0.4"})
    assert (answer.status, answer.error()["code"]) == (504, "provider_timeout")
    assert answer.headers["x-fastgate-budget-ms"] == "380"


def test_a_longer_window_cures_too_long_an_input(door: str, upstream: Upstream, start: Start) -> None:
    text = config(upstream.base_url).replace('model = "m-two"', 'model = "m-two"\ncontext_tokens = 9_000')
    text = text.replace('model = "m-three"', 'model = "m-three"\ncontext_tokens = 200_000')
    gateway = start(door, text, resilience=RESILIENCE)
    message = (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 12000 tokens."
    )
    error = {"message": message, "type": "invalid_request_error", "code": "context_length_exceeded"}
    upstream.script({"when": {"model": "m-one"}, "status": 400, "error": error})
    assert deployment(ask(gateway, "chat")) == "three"
    upstream.script(status=400, error=error)
    refused = ask(gateway, "chat")
    assert (refused.status, refused.error()["message"]) == (400, message)


def test_a_refused_key_is_left_alone_and_not_its_model(door: str, upstream: Upstream, start: Start) -> None:
    keys = f'api_key = ["{configuration.PROVIDER_KEY}", "{configuration.PROVIDER_KEY[::-1]}"]'
    text = config(upstream.base_url).replace(f'api_key = "{configuration.PROVIDER_KEY}"', keys)
    gateway = start(door, text, resilience=RESILIENCE)
    upstream.script({"status": 401, "times": 1})
    answers = [ask(gateway, "one") for _ in range(20)]
    assert {answer.status for answer in answers} == {200}
    used = [seen.header("authorization") for seen in upstream.seen()]
    assert used[0] not in used[1:]


def test_a_limited_key_makes_way_for_another(door: str, upstream: Upstream, start: Start) -> None:
    keys = f'api_key = ["{configuration.PROVIDER_KEY}", "{configuration.PROVIDER_KEY[::-1]}"]'
    text = config(upstream.base_url).replace(f'api_key = "{configuration.PROVIDER_KEY}"', keys)
    gateway = start(door, text, resilience=RESILIENCE)
    upstream.script({"status": 429, "headers": {"retry-after": "60"}, "times": 1})
    answers = [ask(gateway, "chat") for _ in range(10)]
    assert [deployment(answer) for answer in answers] == ["one"] * 10
    used = [seen.header("authorization") for seen in upstream.seen()]
    assert used[0] not in used[1:]


def test_a_deployment_that_fails_is_left_alone_and_comes_back(
    door: str, upstream: Upstream, start: Start
) -> None:
    gateway = start(door, config(upstream.base_url), resilience=RESILIENCE)
    upstream.script({"when": {"model": "m-one"}, "times": "always", "status": 500})
    assert [deployment(ask(gateway, "chat")) for _ in range(10)] == ["two"] * 10
    calls = sum(1 for seen in upstream.seen() if b'"m-one"' in seen.body)
    assert calls <= 5, "the breaker has opened after three"
    upstream.script()
    until(lambda: deployment(ask(gateway, "chat")) == "one", "it is asked again")


def test_a_probe_ends_the_time_that_a_deployment_is_left_alone(
    door: str, upstream: Upstream, start: Start
) -> None:
    probing = RESILIENCE.replace('open = "300ms", open_max = "600ms"', 'open = "5m", open_max = "5m"')
    gateway = start(door, config(upstream.base_url), resilience=f'{probing}probe = "100ms"\n')
    down = {"when": {"model": "m-one"}, "times": "always", "status": 500}
    upstream.script(down, {"when": {"path": "/models"}, "times": "always", "status": 503})
    for _ in range(3):
        assert deployment(ask(gateway, "chat")) == "two"
    until(lambda: any(seen.path == "/v1/models" for seen in upstream.seen()), "it is probed")
    assert deployment(ask(gateway, "chat")) == "two", "a provider that fails its probe is not back"
    upstream.script()
    until(lambda: deployment(ask(gateway, "chat")) == "one", "a probe that is answered leads to a trial")


def test_the_last_one_is_never_left_alone(
    gateway: Gateway, door: str, upstream: Upstream, start: Start
) -> None:
    lonely = start(door, configuration.open_provider(upstream.base_url), resilience=RESILIENCE)
    upstream.script({"status": 500, "times": 12})
    assert [ask(lonely, "gpt-4o").status for _ in range(4)] == [500] * 4
    assert ask(lonely, "gpt-4o").status == 200


def test_clients_that_leave_open_no_breaker(door: str, upstream: Upstream, start: Start) -> None:
    gateway = start(door, config(upstream.base_url), resilience=RESILIENCE)
    upstream.script(stall="before_headers", stall_ms=20_000)
    for _ in range(CLIENTS_THAT_LEAVE // 100):
        connections = [gateway.send_chat(chat_body(model="chat")) for _ in range(100)]
        until(lambda: upstream.mock.counts()["in_flight"] == 100, "all are waiting for the provider")
        for connection in connections:
            connection.close()
        until(lambda: upstream.mock.counts()["in_flight"] == 0, "the provider sees all leave")
    upstream.script()
    assert deployment(ask(gateway, "chat")) == "one"
    if door == "native":
        page = fetch(gateway.admin_port, "GET", "/metrics").body.decode()
        assert 'fastgate_deployment_state{deployment="one"} 0' in page
        assert "fastgate_deployment_failures_total{" not in page
        assert 'fastgate_deployment_in_flight{deployment="one"} 0' in page


def test_a_client_that_leaves_during_a_pause_ends_the_exchange(
    door: str, upstream: Upstream, start: Start
) -> None:
    gateway = start(
        door, configuration.open_provider(upstream.base_url), resilience='[resilience]\nwait_max = "1m"\n'
    )
    upstream.script(status=429, headers={"retry-after": "20"})
    connection = gateway.send_chat(chat_body())
    until(upstream.seen, "the provider was asked")
    connection.close()
    (record,) = until(lambda: all_records(gateway), "the exchange is settled", within_s=2)
    assert (record["outcome"], record["attempts"]) == ("client_gone", 1)
    assert len(upstream.seen()) == 1


def test_a_provider_that_dies_leaves_no_stream_that_looks_whole(
    door: str, start: Start, upstream: Upstream
) -> None:
    dying = Upstream()
    gateway = start(door, config(dying.base_url), resilience=RESILIENCE)
    dying.script(content="one two three four", chunks=4, stall="events:3", stall_ms=20_000)
    connections: list[socket.socket] = []
    for count in range(50, STREAMS + 1, 50):
        connections += [gateway.send_chat(chat_body(model="chat", stream=True)) for _ in range(50)]
        until(partial(under_way, dying, count), "all streams run")
    received: list[bytes] = [b""] * STREAMS

    def read(index: int) -> None:
        while chunk := connections[index].recv(65_536):
            received[index] += chunk
            if received[index].endswith(b"0\r\n\r\n") or b'"error"' in chunk:
                break

    readers = [threading.Thread(target=read, args=(index,)) for index in range(STREAMS)]
    for reader in readers:
        reader.start()
    until(lambda: all(b"one" in text for text in received), "all have begun")
    dying.mock.stop()
    for reader in readers:
        reader.join(20)
    for connection in connections:
        connection.close()
    assert all(b'"error"' in text and b"[DONE]" not in text for text in received)
    until(lambda: len(all_records(gateway)) == STREAMS, "all are settled")
    assert {record["outcome"] for record in all_records(gateway)} == {"provider_failed"}


def under_way(upstream: Upstream, count: int) -> bool:
    return upstream.mock.counts()["in_flight"] == count


def test_a_table_is_replaced_within_a_second_and_no_request_fails(
    door: str, upstream: Upstream, start: Start
) -> None:
    gateway = start(door, config(upstream.base_url), resilience=RESILIENCE)
    statuses: list[int] = []
    seen: set[str] = set()
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            answer = ask(gateway, "chat")
            statuses.append(answer.status)
            seen.add(answer.headers["x-fastgate-deployment"])

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        until(lambda: "one" in seen, "the first table is in use")
        gateway.configure(
            config(upstream.base_url).replace('use = ["one", "two", "three"]', 'use = ["three"]')
        )
        until(lambda: "three" in seen, "the second table is in use", within_s=2)
    finally:
        stop.set()
        asking.join()
    assert set(statuses) == {200}
