"""What a provider lets a deployment and a credential do is kept, and nobody waits who need not."""

import json
import math
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY, PROVIDER_KEY, key_table
from tests.blackbox.conftest import Start
from tests.blackbox.crowd import CROWD_DOORS, FULL, ask, held, send, until_waiting, users, waiting
from tests.blackbox.gateway import Answer, Gateway, running
from tests.blackbox.records import all_records, records_of
from tests.blackbox.upstream import Seen, Upstream
from tests.blackbox.waiting import until

SECOND_KEY = PROVIDER_KEY.replace("7f3a", "5d4b")
QUEUE_LENGTH = 12
LIMITS = {
    "pair": "concurrent = 2",
    "lone": "concurrent = 1",
    "first": "concurrent = 1",
    "second": "concurrent = 1",
    "third": "",
    "fast": "requests_per_minute = 120",
    "three": "requests_per_minute = 3",
    "closed": "requests_per_minute = 1",
    "daily": "requests_per_day = 2",
    "tokens": "tokens_per_minute = 60_000",
    "input": "input_tokens_per_minute = 600",
    "output": "output_tokens_per_minute = 600",
    "told": "requests_per_minute = 10_000",
    "told-tokens": "tokens_per_minute = 1_000_000",
    "told-evenly": "requests_per_minute = 10_000",
    "told-all": "requests_per_minute = 10_000",
    "refused": "requests_per_minute = 10_000",
    "refused-two": "requests_per_minute = 10_000",
    "free": "",
}
CHAINS = {
    "both": ["first", "second"],
    "all": ["first", "second", "third"],
    "spill": ["three", "third"],
    "spill-tokens": ["input", "third"],
    "spill-told": ["told-all", "third"],
    "spill-refused": ["refused-two", "third"],
}


@pytest.fixture(scope="module", params=CROWD_DOORS)
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def deployment_table(name: str, limits: str, provider: str = "upstream") -> str:
    table = f'\n[deployments.{name}]\nprovider = "{provider}"\nmodel = "{name}"\n'
    return table + (f"limits = {{ {limits} }}\n" if limits else "")


def tenants(queue_length: int = QUEUE_LENGTH) -> str:
    return f"\n[limiting]\nqueue_length = {queue_length}\n[tenants.acme]\n" + key_table(KEY)


def config(base_url: str) -> str:
    """Deployments with limits of their own, each for few tests, and chains of them."""
    deployments = [deployment_table(name, limits) for name, limits in LIMITS.items()]
    chains = [f'\n[models.{name}]\nbudget = "15s"\nuse = {json.dumps(use)}\n' for name, use in CHAINS.items()]
    return configuration.provider(base_url) + "".join(deployments + chains) + tenants()


@pytest.fixture(scope="module")
def limited(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp(f"limited-{door}")
    with running(door, folder, config(provider.base_url), key=None) as gateway:
        yield gateway


def served_by(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return answer.headers["x-fastgate-deployment"]


def overloaded(answer: Answer) -> str:
    """What a request is told that was not served."""
    error = answer.error()
    assert (answer.status, error["code"]) == (503, "overloaded"), answer.body
    return str(error["message"])


def queued_us(gateway: Gateway, *answers: Answer) -> list[int]:
    """How long each waited for capacity."""
    ids = [answer.headers["x-fastgate-request-id"] for answer in answers]
    records = records_of(gateway, ids)
    return [records[one]["stages_us"]["queue"] for one in ids]


def arrivals(upstream: Upstream) -> list[float]:
    """When each request came to the provider, in seconds."""
    return [record["at"] for record in upstream.mock.requests()]


# Calls at once


def test_no_more_calls_at_once_than_may_be_and_all_are_answered(limited: Gateway, upstream: Upstream) -> None:
    upstream.script(latency_ms=30)
    behind = [send(limited, "pair") for _ in range(QUEUE_LENGTH)]
    answers = [request.answer() for request in behind]
    assert [served_by(answer) for answer in answers] == ["pair"] * QUEUE_LENGTH
    counts = upstream.mock.counts()
    assert (counts["requests"], counts["in_flight_max"]) == (QUEUE_LENGTH, 2)
    assert sum(wait > 0 for wait in queued_us(limited, *answers)) >= QUEUE_LENGTH - 2


def test_a_stream_holds_its_place_until_its_end(limited: Gateway, upstream: Upstream) -> None:
    upstream.script(
        {
            "content": "one two three",
            "chunks": 3,
            "stall": "events:2",
            "stall_ms": 700,
            "when": {"stream": True},
        }
    )
    stream = send(limited, "lone", stream=True)
    begun = stream.connection.recv(65_536)
    assert begun.startswith(b"HTTP/1.1 200")
    after = send(limited, "lone")
    while piece := stream.connection.recv(65_536):
        begun += piece
        if begun.endswith(b"0\r\n\r\n"):
            break
    stream.leave()
    assert b"data: [DONE]" in begun
    assert served_by(after.answer()) == "lone"
    first, second = upstream.mock.requests()
    assert first["ended_after_ms"] is not None
    assert second["at"] >= first["at"] + 0.65
    assert upstream.mock.counts()["in_flight_max"] == 1


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 400},
        {"reset": "before_headers"},
        {"reset": "after_headers"},
        {"cut": "bytes:40"},
        {"garbage": "not_http"},
        {"error_event": "events:3"},
        {"omit": ["done", "finish_reason"]},
    ],
    ids=str,
)
def test_a_call_that_fails_gives_its_place_back(
    limited: Gateway, upstream: Upstream, fault: dict[str, Any], stream: bool
) -> None:
    upstream.script({**fault, "times": 3}, content="one two three four", chunks=4)
    for _ in range(3):
        with send(limited, "lone", stream=stream, headers={"connection": "close"}).connection as connection:
            while connection.recv(65_536):
                pass
    assert served_by(ask(limited, "lone", budget_ms=3_000)) == "lone"


@pytest.mark.parametrize("stall", ["before_headers", "events:3"])
def test_a_client_that_leaves_gives_its_place_back(limited: Gateway, upstream: Upstream, stall: str) -> None:
    upstream.script({"stall": stall, "times": 3}, content="one two three four", chunks=4)
    for count in range(1, 4):
        request = send(limited, "lone", stream=True)
        until(lambda count=count: len(upstream.seen()) == count, "it has a place")  # type: ignore[misc]
        if stall == "events:3":
            assert request.connection.recv(65_536).startswith(b"HTTP/1.1 200")
        request.leave()
    assert served_by(ask(limited, "lone", budget_ms=3_000)) == "lone"
    assert upstream.mock.counts()["client_closed"] == 3


def test_a_repeat_needs_no_second_place(door: str, start: Start, upstream: Upstream) -> None:
    config = (
        configuration.provider(upstream.base_url) + deployment_table("lone", "concurrent = 1") + tenants()
    )
    gateway = start(door, config, key=None, resilience='[resilience]\nretries = 2\nbackoff = "10ms"\n')
    upstream.script({"status": 503, "times": 2})
    answer = ask(gateway, "lone", budget_ms=5_000)
    assert (served_by(answer), answer.headers["x-fastgate-attempts"]) == ("lone", "3")


# Elsewhere at once


def test_nobody_waits_where_another_of_the_chain_has_room(limited: Gateway, upstream: Upstream) -> None:
    with held(limited, upstream, "first"):
        answers = [ask(limited, "both") for _ in range(3)]
        assert [served_by(answer) for answer in answers] == ["second"] * 3
        assert [answer.headers["x-fastgate-attempts"] for answer in answers] == ["1"] * 3
        assert max(queued_us(limited, *answers)) < 100_000
    until(lambda: served_by(ask(limited, "both")) == "first", "the first is preferred once it has room")


def test_who_finds_all_full_takes_the_first_room_there_is(limited: Gateway, upstream: Upstream) -> None:
    for number, expected in enumerate(("first", "second")):
        with held(limited, upstream, "first", "second") as holders:
            behind = send(limited, "both")
            assert overloaded(ask(limited, "both", budget_ms=200))
            holders[number].leave()
            assert served_by(behind.answer()) == expected


def test_a_chain_that_is_full_at_its_head_fails_over_in_its_order(
    limited: Gateway, upstream: Upstream
) -> None:
    with held(limited, upstream, "first"):
        upstream.mock.append_script(json.dumps({"steps": [{"when": {"model": "second"}, "status": 500}]}))
        answer = ask(limited, "all")
        assert (served_by(answer), answer.headers["x-fastgate-attempts"]) == ("third", "2")
        (record,) = records_of(limited, [answer.headers["x-fastgate-request-id"]]).values()
        assert [entry["deployment"] for entry in record["trail"]] == ["second"]


def test_one_without_limits_takes_what_others_can_not(limited: Gateway, upstream: Upstream) -> None:
    with held(limited, upstream, "first", "second"):
        assert {served_by(ask(limited, "all")) for _ in range(20)} == {"third"}


# Rates


def test_requests_a_minute_are_admitted_as_configured(limited: Gateway, upstream: Upstream) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(limited, "fast", budget_ms=15_000), range(123)))
    assert {served_by(answer) for answer in answers} == {"fast"}
    at = arrivals(upstream)
    # 120 at once, then one each half second; clocks of two programs are compared here.
    assert [at[index] - at[0] >= (index - 119) * 0.5 - 0.05 for index in range(120, 123)] == [True] * 3
    assert at[122] - at[0] < 10
    assert sum(wait > 0 for wait in queued_us(limited, *answers)) >= 3


@pytest.mark.parametrize(
    ("model", "own", "admitted"), [("spill", "three", {3}), ("spill-tokens", "input", range(1, 30))]
)
def test_who_finds_a_rate_used_up_goes_on_to_the_next(
    limited: Gateway, upstream: Upstream, model: str, own: str, admitted: Any
) -> None:
    upstream.script(usage={"prompt_tokens": 30, "completion_tokens": 5})
    answers = [ask(limited, model) for _ in range(40)]
    served = [served_by(answer) for answer in answers]
    count = served.index("third")
    assert count in admitted
    assert served == [own] * count + ["third"] * (40 - count)
    assert sum(queued_us(limited, *answers)) < 500_000


@pytest.mark.parametrize(
    ("model", "usage", "needed"),
    [
        ("tokens", {"prompt_tokens": 30_000, "completion_tokens": 30_000}, 1),
        ("output", {"prompt_tokens": 100_000, "completion_tokens": 600}, 100),
    ],
)
def test_tokens_a_minute_count_what_was_used(
    limited: Gateway, upstream: Upstream, model: str, usage: dict[str, int], needed: int
) -> None:
    upstream.script({"usage": usage, "times": 1}, usage={"prompt_tokens": 10, "completion_tokens": 10})
    assert served_by(ask(limited, model, max_tokens=needed)) == model
    # All of a minute is used: 1000 tokens or 10 come back each second.
    refused = ask(limited, model, budget_ms=60, max_tokens=600)
    assert overloaded(refused)
    began = time.monotonic()
    answer = ask(limited, model, budget_ms=15_000, max_tokens=10)
    assert served_by(answer) == model
    (waited_us,) = queued_us(limited, answer)
    assert 0 < waited_us <= (time.monotonic() - began) * 1e6
    assert len(upstream.seen()) == 2


def test_requests_a_day_end_with_the_day(limited: Gateway, upstream: Upstream) -> None:
    assert [served_by(ask(limited, "daily")) for _ in range(2)] == ["daily"] * 2
    refused = ask(limited, "daily", budget_ms=300)
    assert overloaded(refused)
    assert len(upstream.seen()) == 2


# What the provider says


def left(requests: int, reset: str, resource: str = "requests", limit: int | None = None) -> dict[str, str]:
    headers = {f"x-ratelimit-remaining-{resource}": str(requests), f"x-ratelimit-reset-{resource}": reset}
    return headers if limit is None else {**headers, f"x-ratelimit-limit-{resource}": str(limit)}


def test_one_without_limits_is_never_held_back(limited: Gateway, upstream: Upstream) -> None:
    upstream.script(headers={**left(0, "60s"), **left(0, "60s", "tokens")})
    answers = [ask(limited, "free") for _ in range(20)]
    assert {served_by(answer) for answer in answers} == {"free"}
    assert set(queued_us(limited, *answers)) == {0}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("told", left(0, "600ms")),
        ("told-tokens", left(0, "600ms", "tokens")),
        # A hundred a minute, which come back one by one.
        ("told-evenly", left(0, "60s", limit=100)),
    ],
)
def test_what_the_provider_says_is_left_counts_until_its_reset(
    limited: Gateway, upstream: Upstream, model: str, said: dict[str, str]
) -> None:
    upstream.script({"headers": said})
    answers = [ask(limited, model, budget_ms=10_000) for _ in range(2)]
    assert [served_by(answer) for answer in answers] == [model] * 2
    first, second = arrivals(upstream)
    assert second - first >= 0.55
    (_, waited_us) = queued_us(limited, *answers)
    assert 300_000 < waited_us < 5_000_000


def test_others_of_the_chain_are_asked_until_the_reset(limited: Gateway, upstream: Upstream) -> None:
    upstream.script({"headers": left(0, "60s", limit=1)})
    assert [served_by(ask(limited, "spill-told")) for _ in range(5)] == ["told-all"] + ["third"] * 4


def test_more_than_is_configured_is_not_taken_at_its_word(limited: Gateway, upstream: Upstream) -> None:
    upstream.script(headers=left(1_000_000, "1s", limit=1_000_000))
    assert served_by(ask(limited, "closed")) == "closed"
    assert overloaded(ask(limited, "closed", budget_ms=300))


def test_a_refusal_that_names_a_time_closes_the_deployment_until_then(
    limited: Gateway, upstream: Upstream
) -> None:
    upstream.script({"status": 429, "headers": {"retry-after-ms": "800"}})
    assert ask(limited, "refused", budget_ms=100).status == 429
    answer = ask(limited, "refused", budget_ms=10_000)
    assert served_by(answer) == "refused"
    first, second = arrivals(upstream)
    assert second - first >= 0.75


def test_a_refusal_that_names_a_time_sends_others_elsewhere(limited: Gateway, upstream: Upstream) -> None:
    upstream.script({"status": 429, "headers": {"retry-after": "60"}})
    answers = [ask(limited, "spill-refused") for _ in range(5)]
    assert [served_by(answer) for answer in answers] == ["third"] * 5
    assert [answer.headers["x-fastgate-attempts"] for answer in answers] == ["2", "1", "1", "1", "1"]
    assert max(queued_us(limited, *answers)) < 100_000


# Credentials


def keyed(base_url: str, *limits: str) -> str:
    """A provider with two keys, the first with all the weight there is."""
    keys = [
        f'{{ key = "{key}", weight = {weight}{f", limits = {{ {one} }}" if one else ""} }}'
        for key, one, weight in zip((PROVIDER_KEY, SECOND_KEY), limits, (1000, 1), strict=True)
    ]
    provider = configuration.provider(base_url)
    return (
        provider.replace(f'"{PROVIDER_KEY}"', f"[{', '.join(keys)}]")
        + deployment_table("model", "")
        + tenants()
    )


def keys_of(seen: list[Seen]) -> list[str]:
    names = {f"Bearer {PROVIDER_KEY}": "one", f"Bearer {SECOND_KEY}": "two"}
    return [names[seen.header("authorization") or ""] for seen in seen]


def test_each_key_has_its_own_calls_at_once(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, keyed(upstream.base_url, "concurrent = 2", "concurrent = 1"), key=None)
    with held(gateway, upstream, "model", "model", "model") as holders:
        assert sorted(keys_of(upstream.seen())) == ["one", "one", "two"]
        behind = send(gateway, "model")
        assert overloaded(ask(gateway, "model", budget_ms=200))
        last = keys_of(upstream.seen()).index("two")
        holders[last].leave()
        assert served_by(behind.answer()) == "model"
        assert keys_of(upstream.seen())[3:] == ["two"]


def test_each_key_has_its_own_rate(door: str, start: Start, upstream: Upstream) -> None:
    config = keyed(upstream.base_url, "requests_per_minute = 3", "requests_per_minute = 2")
    gateway = start(door, config, key=None)
    assert [ask(gateway, "model").status for _ in range(5)] == [200] * 5
    assert sorted(keys_of(upstream.seen())) == ["one"] * 3 + ["two"] * 2
    assert overloaded(ask(gateway, "model", budget_ms=300))


def test_a_key_without_limits_takes_what_the_limited_one_can_not(
    door: str, start: Start, upstream: Upstream
) -> None:
    gateway = start(door, keyed(upstream.base_url, "requests_per_minute = 2", ""), key=None)
    answers = [ask(gateway, "model") for _ in range(12)]
    assert {answer.status for answer in answers} == {200}
    assert keys_of(upstream.seen()).count("one") <= 2
    assert max(queued_us(gateway, *answers)) < 100_000


def test_a_key_that_is_refused_leaves_the_other_in_use(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, keyed(upstream.base_url, "concurrent = 5", "concurrent = 5"), key=None)
    upstream.script({"status": 429, "headers": {"retry-after": "60"}})
    statuses = [ask(gateway, "model", budget_ms=5_000).status for _ in range(6)]
    refused = keys_of(upstream.seen())[statuses.index(429)] if 429 in statuses else "one"
    assert statuses[1:] == [200] * 5
    assert refused not in keys_of(upstream.seen())[1:]


# Who can't be served


def test_who_can_not_be_served_in_its_time_is_told_and_nothing_is_sent(
    limited: Gateway, upstream: Upstream
) -> None:
    with held(limited, upstream, "lone"):
        began = time.monotonic()
        answer = ask(limited, "lone", budget_ms=400)
        assert 0.35 <= time.monotonic() - began < 5
        assert overloaded(answer)
        assert "retry-after" in answer.headers
        (waited_us,) = queued_us(limited, answer)
        assert waited_us > 300_000
        assert len(upstream.seen()) == 1


@pytest.mark.parametrize(("model", "wait_s"), [("late", 20), ("late-day", 0)])
def test_who_would_wait_for_a_refill_beyond_its_budget_is_told_at_once(
    door: str, start: Start, upstream: Upstream, model: str, wait_s: int
) -> None:
    config = (
        configuration.provider(upstream.base_url)
        + deployment_table("late", "requests_per_minute = 3")
        + deployment_table("late-day", "requests_per_day = 3")
        + tenants()
    )
    gateway = start(door, config, key=None)
    assert [ask(gateway, model).status for _ in range(3)] == [200] * 3
    began = time.monotonic()
    answer = ask(gateway, model, budget_ms=6_000)
    assert time.monotonic() - began < 3
    assert "it would take about" in overloaded(answer)
    assert max(1, wait_s - 5) <= int(answer.headers["retry-after"]) <= 120
    assert len(upstream.seen()) == 3


def test_an_estimate_goes_by_how_fast_others_were_served(limited: Gateway, upstream: Upstream) -> None:
    upstream.script(latency_ms=150)
    behind = [send(limited, "lone", user=str(number)) for number in range(QUEUE_LENGTH)]
    until(lambda: len(upstream.seen()) >= QUEUE_LENGTH - 2, "most were served")
    began = time.monotonic()
    answer = ask(limited, "lone", budget_ms=60)
    assert time.monotonic() - began < 1
    message = overloaded(answer)
    assert "it would take about" in message, message
    estimate_ms = int(message.split("about ")[1].split(" ms")[0])
    assert 60 < estimate_ms < 3_000
    assert int(answer.headers["retry-after"]) == math.ceil(estimate_ms / 1000)
    assert [served_by(request.answer()) for request in behind] == ["lone"] * QUEUE_LENGTH


def test_a_full_queue_refuses_at_once(limited: Gateway, upstream: Upstream) -> None:
    with held(limited, upstream, "lone") as (holder,):
        behind = [send(limited, "lone") for _ in range(QUEUE_LENGTH)]
        until_waiting(limited, QUEUE_LENGTH)
        began = time.monotonic()
        answer = ask(limited, "lone")
        assert time.monotonic() - began < 1
        assert FULL in overloaded(answer)
        assert "retry-after" in answer.headers
        holder.leave()
        assert [served_by(request.answer()) for request in behind] == ["lone"] * QUEUE_LENGTH
    assert len(upstream.seen()) == QUEUE_LENGTH + 1


def test_a_client_that_leaves_while_it_waits_gives_its_place_up(limited: Gateway, upstream: Upstream) -> None:
    seen = {record["id"] for record in all_records(limited)}
    with held(limited, upstream, "lone") as (holder,):
        behind = [send(limited, "lone", user=str(number)) for number in range(QUEUE_LENGTH)]
        until_waiting(limited, QUEUE_LENGTH)
        for request in behind[: QUEUE_LENGTH // 2]:
            request.leave()
        until_waiting(limited, QUEUE_LENGTH - QUEUE_LENGTH // 2)
        holder.leave()
        stayed = [request.answer() for request in behind[QUEUE_LENGTH // 2 :]]
        assert [served_by(answer) for answer in stayed] == ["lone"] * (QUEUE_LENGTH // 2)
    assert sorted(users(upstream)) == sorted(str(number) for number in range(QUEUE_LENGTH // 2, QUEUE_LENGTH))

    def gone() -> list[dict[str, Any]]:
        found = [record for record in all_records(limited) if record["id"] not in seen]
        return [it for it in found if it["outcome"] == "client_gone" and it["user"] != "holder"]

    until(lambda: len(gone()) == QUEUE_LENGTH // 2, "those who left are settled")
    assert all(record["stages_us"]["queue"] > 0 for record in gone())
    assert all(record["attempts"] == 0 and record["cost_pusd"] in (None, 0) for record in gone())


# Reloads and stops


@pytest.mark.parametrize("after", ["concurrent = 3", ""], ids=["more", "unlimited"])
def test_a_reload_with_more_capacity_serves_those_who_wait(
    door: str, start: Start, upstream: Upstream, after: str
) -> None:
    def config(limits: str) -> str:
        return configuration.provider(upstream.base_url) + deployment_table("model", limits) + tenants(2)

    gateway = start(door, config("concurrent = 1"), key=None)
    with held(gateway, upstream, "model"):
        behind = [send(gateway, "model") for _ in range(2)]
        until_waiting(gateway, 2)
        gateway.configure(config(after))
        assert [served_by(request.answer()) for request in behind] == ["model"] * 2


def test_a_configuration_that_is_refused_changes_no_capacity(
    door: str, start: Start, upstream: Upstream
) -> None:
    config = (
        configuration.provider(upstream.base_url) + deployment_table("model", "concurrent = 1") + tenants(1)
    )
    gateway = start(door, config, key=None)
    with held(gateway, upstream, "model") as (holder,):
        behind = send(gateway, "model")
        until_waiting(gateway, 1)
        changed = config.replace("concurrent = 1", "concurrent = 9").replace(
            "queue_length = 1", "queue_length = 9"
        )
        gateway.configure(changed + '\n[models.broken]\nuse = ["nobody"]\n')
        until(lambda: "rejected" in gateway.log(), "the rejection is logged")
        assert waiting(gateway) == 1
        assert FULL in overloaded(ask(gateway, "model"))
        assert len(upstream.seen()) == 1
        holder.leave()
        assert served_by(behind.answer()) == "model"


def test_who_waits_when_the_gateway_stops_is_answered(door: str, start: Start, upstream: Upstream) -> None:
    config = (
        configuration.provider(upstream.base_url) + deployment_table("model", "concurrent = 1") + tenants(5)
    )
    gateway = start(door, config, key=None)
    upstream.script(latency_ms=50)
    with held(gateway, upstream, "model") as (holder,):
        behind = [send(gateway, "model") for _ in range(5)]
        until_waiting(gateway, 5)
        gateway.process.send_signal(signal.SIGTERM)
        holder.leave()
        assert [served_by(request.answer()) for request in behind] == ["model"] * 5
        assert gateway.process.wait(20) in (0, -signal.SIGTERM)
    assert [record["outcome"] for record in all_records(gateway)].count("answered") == 5


def test_who_still_waits_at_the_end_of_the_grace_is_settled_as_stopped(
    tmp_path: Path, upstream: Upstream
) -> None:
    config = (
        configuration.provider(upstream.base_url) + deployment_table("model", "concurrent = 1") + tenants(3)
    )
    gateway = Gateway("native", tmp_path, config, settings='shutdown_grace = "300ms"\n', key=None)
    try:
        gateway.wait_until_ready()
        with held(gateway, upstream, "model"):
            behind = [send(gateway, "model") for _ in range(3)]
            until_waiting(gateway, 3)
            gateway.process.send_signal(signal.SIGTERM)
            assert gateway.process.wait(20) == 1, "not all that was under way was finished"
            for request in behind:
                request.leave()
    finally:
        gateway.process.kill()
        gateway.process.wait()
    stopped = [record for record in all_records(gateway) if record["outcome"] == "stopped"]
    assert len(stopped) == 4
    assert sum(record["attempts"] == 0 for record in stopped) == 3
    assert len(upstream.seen()) == 1
