"""However an exchange ends, its limits count what its record says, and nothing is held any more."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, Answer, Gateway, running
from tests.blackbox.limits import (
    COST_PUSD,
    INPUT_PUSD,
    INPUT_TOKENS,
    OUTPUT_PUSD,
    OUTPUT_TOKENS,
    ask,
    body,
    code,
    counted,
    headers_of,
    held_pusd,
    key_of,
    limited,
    script,
    tenant_table,
    usd,
    used_by,
)
from tests.blackbox.records import exchanges
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

RESOURCES = {
    "requests": "100",
    "input_tokens": "100_000",
    "output_tokens": "100_000",
    "tokens": "100_000",
    "usd": usd(10**12),
}
# Concurrency is one, so that whatever is left under way keeps the next request out.
ALL_RESOURCES = ", ".join(
    [
        *(
            f'{{ name = "{resource} of TENANT", {resource} = {amount}, window = "day", hard = true }}'
            for resource, amount in RESOURCES.items()
        ),
        '{ name = "concurrent of TENANT", concurrent = 1 }',
    ]
)
TIMEOUT = 'timeout = { first_content = "300ms", gap = "300ms" }'
Bring = Callable[[Gateway, Upstream, str, bytes], None]


def answered(gateway: Gateway, _: Upstream, tenant: str, content: bytes) -> None:
    ask(gateway, tenant, content)


def repeated(gateway: Gateway, upstream: Upstream, tenant: str, content: bytes) -> None:
    headers = {**headers_of(tenant), "idempotency-key": tenant}
    answers = [gateway.fetch("POST", CHAT, content, headers) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert len(upstream.seen()) == 1


def broken_off(gateway: Gateway, _: Upstream, tenant: str, content: bytes) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)) as client:
        client.request("POST", CHAT, content, headers_of(tenant))
        response = client.getresponse()
        assert response.status == 200
        assert b"[DONE]" not in response.read()


def left_before(gateway: Gateway, upstream: Upstream, tenant: str, content: bytes) -> None:
    with closing(gateway.send_chat(content, key=key_of(tenant))):
        until(upstream.seen, "the provider is asked")


def left_in_the_middle(gateway: Gateway, _: Upstream, tenant: str, content: bytes) -> None:
    with closing(gateway.send_chat(content, key=key_of(tenant))) as client:
        received = b""
        while b"one" not in received:
            received += client.recv(65_536)


@dataclass(frozen=True)
class Ending:
    """What the provider does, what the client does, and what is on record."""

    outcomes: tuple[str, ...]
    steps: tuple[dict[str, Any], ...] = ()
    bring: Bring = answered
    request: bytes = field(default_factory=body)
    used: tuple[int, int] | None = (INPUT_TOKENS, OUTPUT_TOKENS)
    """Tokens in and out; None: an estimate."""


STREAM = body(stream=True)
CHAIN = body("chain")
BILLED_IN_VAIN = {
    "body": {
        "id": "x",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 30, "total_tokens": 41},
    }
}
BILLED_PUSD = 11 * INPUT_PUSD + 30 * OUTPUT_PUSD
ENDINGS = {
    "json": Ending(("answered",)),
    "stream": Ending(("answered",), request=STREAM),
    "stream-counted": Ending(
        ("answered",), request=body(stream=True, stream_options={"include_usage": True})
    ),
    "json-uncounted": Ending(("answered",), ({"omit": ["usage"]},), used=None),
    "stream-uncounted": Ending(("answered",), ({"omit": ["usage"]},), request=STREAM, used=None),
    "more-than-reserved": Ending(
        ("answered",), ({"usage": {"prompt_tokens": 500, "completion_tokens": 900}},), used=(500, 900)
    ),
    "repeats": Ending(("answered",) * 3, bring=repeated),
    "repeats-of-a-stream": Ending(("answered",) * 3, bring=repeated, request=STREAM),
    "error": Ending(("provider_error",), ({"status": 500},), used=(0, 0)),
    "refused-by-the-provider": Ending(("provider_error",), ({"status": 429},), used=(0, 0)),
    "no-credentials": Ending(("provider_credentials_refused",), ({"status": 401},), used=(0, 0)),
    "error-then-answer": Ending(("answered",), ({"status": 500},), request=CHAIN),
    "error-then-stream": Ending(("answered",), ({"status": 503},), request=body("chain", stream=True)),
    "billed-in-vain": Ending(
        *(("answered",), (BILLED_IN_VAIN,)), request=body("chain", stream=True), used=(10 + 11, 20 + 30)
    ),
    "all-fail": Ending(("provider_failed",), ({"status": 500}, {"status": 500}), request=CHAIN, used=(0, 0)),
    "stream-cut": Ending(("provider_failed",), ({"cut": "events:3"},), broken_off, STREAM, None),
    "stream-stalls": Ending(("provider_timeout",), ({"stall": "events:3"},), broken_off, STREAM, None),
    "error-in-a-stream": Ending(
        ("provider_error",), ({"error_event": "events:3"},), broken_off, STREAM, None
    ),
    "left-before": Ending(("client_gone",), ({"stall": "before_headers"},), left_before, used=None),
    "left-before-a-stream": Ending(
        ("client_gone",), ({"stall": "before_content"},), left_before, STREAM, None
    ),
    "left-in-a-stream": Ending(("client_gone",), ({"stall": "events:3"},), left_in_the_middle, STREAM, None),
}


def config(base_url: str) -> str:
    tables = [tenant_table(name, ALL_RESOURCES.replace("TENANT", name)) for name in ENDINGS]
    text = limited(base_url, *tables)
    return text.replace('model = "m-metered"', f'model = "m-metered"\n{TIMEOUT}')


@pytest.fixture(scope="module")
def settling(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(door, tmp_path_factory.mktemp(f"settling-{door}"), config(provider.base_url)) as gateway:
        yield gateway


@pytest.mark.parametrize("name", ENDINGS)
def test_what_counts_is_what_is_on_record(settling: Gateway, upstream: Upstream, name: str) -> None:
    ending = ENDINGS[name]
    script(upstream, *ending.steps)
    ending.bring(settling, upstream, name, ending.request)

    def of_tenant() -> list[dict[str, Any]]:
        found = [record for record in exchanges(settling) if record["tenant"] == name]
        return found if len(found) >= len(ending.outcomes) else []

    records = until(of_tenant, "the records")
    assert tuple(record["outcome"] for record in records) == ending.outcomes
    recorded = [used_by(record) for record in records]
    used = {resource: sum(one[resource] for one in recorded) for resource in recorded[0]}
    assert used["requests"] == 1
    if ending.used is None:
        assert used["input_tokens"] > 0
        assert [record["usage_estimated"] for record in records] == [True]
    else:
        assert (used["input_tokens"], used["output_tokens"]) == ending.used
    assert used["usd"] == used["input_tokens"] * INPUT_PUSD + used["output_tokens"] * OUTPUT_PUSD
    if settling.door == "native":
        expected = {f"{resource} of {name}": (count, 0) for resource, count in used.items()}
        until(lambda: counted(settling, name) == expected, f"{expected}, not {counted(settling, name)}")
    else:
        until(lambda: left(settling, name) == 100_000 - used["tokens"], "what is left by the headers")
    script(upstream)
    until(lambda: ask(settling, name).status == 200, "room for one more under way")


def left(gateway: Gateway, tenant: str) -> int:
    """Tokens that are left, by the headers of a denial, which uses nothing."""
    answer = ask(gateway, tenant, body(max_tokens=10**9))
    assert code(answer) == (400, "request_too_large_for_limit")
    return int(answer.headers["x-ratelimit-remaining-tokens"])


def test_a_retry_is_as_covered_as_the_first_attempt(start: Start, upstream: Upstream) -> None:
    """A failed attempt that was billed leaves too little for another one: no second provider is asked."""
    denied, gateway = retry_that_is_not_covered(start, upstream)
    assert denied.status in (400, 429)
    assert len(upstream.seen()) == 1
    assert counted(gateway, "short") == {"budget": (BILLED_PUSD, 0)}
    (record,) = exchanges(gateway)
    assert (record["status"], used_by(record)["usd"]) == (denied.status, BILLED_PUSD)


def test_a_retry_that_is_not_covered_is_no_fault_of_the_client(start: Start, upstream: Upstream) -> None:
    denied, _ = retry_that_is_not_covered(start, upstream)
    assert code(denied) == (429, "insufficient_quota")


def retry_that_is_not_covered(start: Start, upstream: Upstream) -> tuple[Answer, Gateway]:
    """The budget covers the request, but not the request and what its first attempt is billed in vain."""
    content = body("chain", stream=True)
    limit = f'{{ name = "budget", usd = {usd(BILLED_PUSD + held_pusd(content) - 1)}, window = "day" }}'
    gateway = start("native", limited(upstream.base_url, tenant_table("short", limit)))
    script(upstream, BILLED_IN_VAIN)
    return ask(gateway, "short", content), gateway


@pytest.mark.parametrize(
    "step", [{"stall": "before_headers"}, {"cut": "bytes:100"}, {"reset": "after_headers"}], ids=str
)
def test_a_call_that_was_not_answered_is_not_free(
    start: Start, upstream: Upstream, step: dict[str, Any]
) -> None:
    gateway = start("native", config(upstream.base_url))
    script(upstream, step)
    assert ask(gateway, "json").status in (502, 504)
    (record,) = exchanges(gateway)
    assert record["usage_estimated"]
    assert counted(gateway, "json")["usd of json"][0] >= INPUT_PUSD


def test_an_excess_is_booked_and_taken_from_the_rest(start: Start, upstream: Upstream) -> None:
    """A provider that bills more than was reserved: the budget is overdrawn by that much, and then closed."""
    limit = f'{{ name = "budget", usd = {usd(10 * COST_PUSD)}, window = "day" }}'
    gateway = start("native", limited(upstream.base_url, tenant_table("over", limit)))
    script(upstream, usage={"prompt_tokens": 1000, "completion_tokens": 1000})
    assert ask(gateway, "over").status == 200
    assert code(ask(gateway, "over")) == (429, "insufficient_quota")
    assert counted(gateway, "over") == {"budget": (1000 * (INPUT_PUSD + OUTPUT_PUSD), 0)}
    assert len(upstream.seen()) == 1


def test_the_sum_of_all_endings(start: Start, upstream: Upstream) -> None:
    """One after another, for one tenant: the sum of its records is what counts."""
    gateway = start("native", config(upstream.base_url))
    endings = [ending for ending in ENDINGS.values() if ending.bring is not repeated]
    for ending in endings:
        script(upstream, *ending.steps)
        # One may be under way at a time: the exchange before has to be over first.
        until(lambda: counted(gateway, "json")["concurrent of json"] == (0, 0), "nothing under way")
        ending.bring(gateway, upstream, "json", ending.request)
    records = until(lambda: found if len(found := exchanges(gateway)) == len(endings) else [], "all records")
    recorded = [used_by(record) for record in records]
    expected = {f"{name} of json": (sum(one[name] for one in recorded), 0) for name in recorded[0]}
    until(lambda: counted(gateway, "json") == expected, f"{expected}, not {counted(gateway, 'json')}")
