"""What was used or held survives the process, however it ends."""

import hashlib
import signal
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Gateway
from tests.blackbox.limits import (
    COST_PUSD,
    INPUT_PUSD,
    INPUT_TOKENS,
    MAX_TOKENS,
    OUTPUT_PUSD,
    OUTPUT_TOKENS,
    ask,
    body,
    code,
    counted,
    held_pusd,
    key_of,
    limited,
    script,
    standings,
    tenant_table,
    usd,
    used_by,
)
from tests.blackbox.records import all_records, exchanges
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

BEFORE = 3
HANGING = {
    "json": (body(), {"stall": "before_headers"}),
    "stream": (body(stream=True), {"stall": "events:3"}),
}
# What answered requests leave of it does not cover those that hang.
MONEY = BEFORE * COST_PUSD + sum(held_pusd(content) for content, _ in HANGING.values())
LIMITS = f"""
    {{ name = "money", usd = {usd(MONEY)}, window = "month" }},
    {{ name = "sliding", usd = 1000, window = "2h" }},
    {{ name = "tokens", tokens = 100_000, window = "day", hard = true }},
    {{ name = "requests", requests = 100, window = "week" }},
    {{ name = "at once", concurrent = 10 }},
"""


def terminate(gateway: Gateway) -> None:
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(20) in (0, 1, -signal.SIGTERM)


def lost(gateway: Gateway) -> list[dict[str, Any]]:
    return [record for record in exchanges(gateway) if record["outcome"] == "lost"]


def hang(gateway: Gateway, upstream: Upstream, stack: ExitStack, tenant: str) -> None:
    """A request in one piece and a stream, both under way at the provider."""
    script(upstream, *(step for _, step in HANGING.values()))
    for content, _ in HANGING.values():
        before = len(upstream.seen())
        head = "x-fastgate-user: ann\r\nx-fastgate-feature: search\r\nx-fastgate-session: s1\r\n"
        stack.enter_context(closing(gateway.send_chat(content, head, key=key_of(tenant))))
        until(partial(more_than, upstream, before), "the provider is asked")


def more_than(upstream: Upstream, requests: int) -> bool:
    return len(upstream.seen()) > requests


def test_a_kill_in_mid_flight_spends_what_was_held(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, limited(upstream.base_url, tenant_table("crash", LIMITS)))
    script(upstream)
    assert [ask(gateway, "crash").status for _ in range(BEFORE)] == [200] * BEFORE
    with ExitStack() as stack:
        hang(gateway, upstream, stack, "crash")
        gateway.kill()
    open_reservations = {
        record["id"]: record for record in all_records(gateway) if record.get("type") == "reservation"
    }
    for record in exchanges(gateway):
        open_reservations.pop(record["id"], None)
    assert len(open_reservations) == len(HANGING)

    gateway.start_again()
    records = lost(gateway)
    assert {record["id"] for record in records} == open_reservations.keys()
    for record in records:
        reservation = open_reservations[record["id"]]
        assert record["cost_pusd"] == reservation["cost_pusd"] in map(held_pusd, contents())
        assert record["usage"] == {name: reservation[name] for name in ("input_tokens", "output_tokens")}
        assert (record["usage_estimated"], record["fault"], record["attempts"]) == (True, "gateway", 1)
        whose = [record[name] for name in ("tenant", "user", "feature", "session", "model")]
        assert whose == ["crash", "ann", "search", "s1", "metered"]
    script(upstream)
    refused = ask(gateway, "crash")
    assert code(refused) == (429, "insufficient_quota")
    assert upstream.seen() == []

    expected = expected_after_a_kill()
    left = limited_by(gateway, expected["tokens"][0])
    for end in (Gateway.kill, terminate, Gateway.kill):
        if door == "native":
            assert counted(gateway, "crash") == expected
        assert left == limited_by(gateway, expected["tokens"][0])
        end(gateway)
        gateway.start_again()
        assert len(lost(gateway)) == len(HANGING), "what is lost is lost once"
        assert code(ask(gateway, "crash")) == (429, "insufficient_quota")


def contents() -> list[bytes]:
    return [content for content, _ in HANGING.values()]


def expected_after_a_kill() -> dict[str, tuple[int, int]]:
    held = sum(map(held_pusd, contents()))
    tokens = sum(len(content) + MAX_TOKENS for content in contents())
    return {
        "money": (BEFORE * COST_PUSD + held, 0),
        "sliding": (BEFORE * COST_PUSD + held, 0),
        "tokens": (BEFORE * (INPUT_TOKENS + OUTPUT_TOKENS) + tokens, 0),
        "requests": (BEFORE + len(HANGING), 0),
        "at once": (0, 0),
    }


def limited_by(gateway: Gateway, used_tokens: int) -> int:
    """Tokens that are left, by the headers of a denial; checked against what must be used."""
    denied = ask(gateway, "crash", body(max_tokens=10**9))
    left = int(denied.headers["x-ratelimit-remaining-tokens"])
    assert left == 100_000 - used_tokens
    return left


def test_compressed_segments_count(start: Start, upstream: Upstream) -> None:
    gateway = start("native", limited(upstream.base_url, tenant_table("crash", LIMITS)))
    script(upstream)
    assert [ask(gateway, "crash").status for _ in range(BEFORE)] == [200] * BEFORE
    before = counted(gateway, "crash")
    gateway.kill()
    gateway.start_again()
    spool = gateway.state_dir / "spool"
    until(lambda: list(spool.glob("*.zst")), "the segment of the dead process, compressed")
    terminate(gateway)
    gateway.start_again()
    assert counted(gateway, "crash") == before
    assert lost(gateway) == []


def test_a_torn_reservation_is_none(start: Start, upstream: Upstream) -> None:
    """Half a reservation was never told to anybody: the request had not gone out."""
    gateway = start("native", limited(upstream.base_url, tenant_table("crash", LIMITS)))
    with ExitStack() as stack:
        hang(gateway, upstream, stack, "crash")
        gateway.kill()
    segments = (gateway.state_dir / "spool").glob("*.open")
    segment = next(path for path in segments if b"reservation" in path.read_bytes())
    tear_last_record(segment)
    gateway.start_again()
    assert len(lost(gateway)) == len(HANGING) - 1


def tear_last_record(segment: Path) -> None:
    """As death in the middle of its copy leaves it: a record's magic bytes come last."""
    with segment.open("r+b") as file:
        file.seek(file.read().rindex(b"\xfffgr"))
        file.write(b"\0" * 4)


def test_a_stop_in_mid_flight_counts_what_is_on_record(start: Start, upstream: Upstream) -> None:
    gateway = start(
        *("native", limited(upstream.base_url, tenant_table("stop", LIMITS))),
        settings='shutdown_grace = "200ms"\n',
    )
    script(upstream)
    assert ask(gateway, "stop").status == 200
    with ExitStack() as stack:
        hang(gateway, upstream, stack, "stop")
        terminate(gateway)
    records = exchanges(gateway)
    assert [record["usage_estimated"] for record in records] == [False, True, True]
    recorded = [used_by(record) for record in records]
    gateway.start_again()
    assert lost(gateway) == [], "all was settled"
    found = counted(gateway, "stop")
    counts = {"money": "usd", "sliding": "usd", "tokens": "tokens", "requests": "requests"}
    for limit, resource in counts.items():
        assert found[limit] == (sum(one[resource] for one in recorded), 0)


RATES = """
    { name = "rate", requests = 1, burst = 4, window = "1m" },
    { name = "tokens of a rate", tokens = 60, burst = 400, window = "1m", hard = true },
"""


@pytest.mark.parametrize("end", [Gateway.kill, terminate], ids=["killed", "stopped"])
def test_a_rate_is_no_fresh_one_after_a_start(door: str, start: Start, upstream: Upstream, end: Any) -> None:
    gateway = start(door, limited(upstream.base_url, tenant_table("rate", RATES)))
    script(upstream)
    assert [ask(gateway, "rate").status for _ in range(5)] == [200] * 4 + [429]
    end(gateway)
    gateway.start_again()
    refused = ask(gateway, "rate")
    assert code(refused) == (429, "rate_limit_exceeded")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert len(upstream.seen()) == 4


def test_every_identity_keeps_its_own_count(start: Start, upstream: Upstream) -> None:
    limits = """
        { per = "user", requests = 2, window = "day" },
        { per = ["feature", "session"], requests = 3, window = "2h" },
        { per = "model", when = { feature = "f" }, requests = 50, window = "week" },
        { per = "key", usd = "0.001", window = "month" },
    """
    gateway = start("native", limited(upstream.base_url, tenant_table("many", limits)))
    script(upstream)
    for user in ("u1", "u2", "u1"):
        assert ask(gateway, "many", user=user, feature="f", session="s").status == 200
    assert ask(gateway, "many", body("spare"), user="u2").status == 200

    gateway.kill()
    gateway.start_again()
    assert ask(gateway, "many", user="u1").status == 429
    assert ask(gateway, "many", user="u2", feature="f", session="s").status == 429
    assert ask(gateway, "many", user="u3", feature="f", session="s").status == 429
    assert ask(gateway, "many", user="u3", feature="f", session="t").status == 200
    key_id = hashlib.sha256(key_of("many").encode()).hexdigest()[:12]
    for who, used in (
        ({"user": "u1"}, 2),
        ({"user": "u2"}, 2),
        ({"user": "u3"}, 1),
        ({"feature": "f", "session": "s"}, 3),
        ({"feature": "f", "session": "t"}, 1),
        ({"model": "metered"}, 4),
        ({"key": key_id}, 5 * COST_PUSD),
    ):
        (found,) = (
            one
            for one in standings(gateway, tenant="many", **who).values()
            if one["identity"].keys() == {"tenant", *who}
        )
        assert (found["identity"], found["used"]) == ({"tenant": "many", **who}, used)


def test_a_kill_during_a_retry_spends_the_first_attempt_too(start: Start, upstream: Upstream) -> None:
    content = body("chain", stream=True)
    billed = {"prompt_tokens": 11, "completion_tokens": 30, "total_tokens": 41}
    choice = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}
    vain = {"body": {"id": "x", "object": "chat.completion", "choices": [choice], "usage": billed}}
    gateway = start("native", limited(upstream.base_url, tenant_table("crash", LIMITS)))
    script(upstream, vain, {"stall": "before_headers"})
    with closing(gateway.send_chat(content, key=key_of("crash"))):
        until(lambda: len(upstream.seen()) == 2, "both are asked")
        gateway.kill()
    gateway.start_again()
    used, _ = counted(gateway, "crash")["money"]
    assert used == 11 * INPUT_PUSD + 30 * OUTPUT_PUSD + held_pusd(content)


def test_what_is_lost_is_on_record_whatever_the_configuration_says_now(
    start: Start, upstream: Upstream
) -> None:
    gateway = start("native", limited(upstream.base_url, tenant_table("crash", LIMITS)))
    with ExitStack() as stack:
        hang(gateway, upstream, stack, "crash")
        gateway.kill()
    gateway.configure(limited(upstream.base_url, tenant_table("crash")))
    gateway.start_again()
    assert len(lost(gateway)) == len(HANGING)
