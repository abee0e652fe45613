"""Limits that change while they are in use: reloads, and raises for a while."""

import hashlib
import json
from contextlib import closing
from typing import Any

from tests.blackbox.conftest import Start
from tests.blackbox.gateway import Answer, Gateway, fetch
from tests.blackbox.limits import (
    COST_PUSD,
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
)
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

TOKEN = "fga_limits_0123456789abcdefghijklmnopqrstuv"
OPERATOR = f"""
[[admin.tokens]]
digest = "sha256:{hashlib.sha256(TOKEN.encode()).hexdigest()}"
role = "operator"
name = "alice"
"""


# Reloads


def reload(gateway: Gateway, config: str, limit: str, amount: int, tenant: str = "acme") -> None:
    """Put another configuration in force and wait until a limit has an amount."""
    gateway.configure(config)

    def is_in_force() -> bool:
        found = standings(gateway, tenant=tenant)
        return limit in found and found[limit]["amount"] == amount

    until(is_in_force, f"{limit} at {amount}")


def test_a_changed_amount_keeps_what_was_used(start: Start, upstream: Upstream) -> None:
    def config(amount: int, name: str = "a day", before: str = "") -> str:
        limits = f'{{ name = "{name}", requests = {amount}, window = "day" }}'
        # Another tenant in front: counts go by name, not by place.
        return limited(upstream.base_url, before, tenant_table("acme", limits))

    gateway = start("native", config(3))
    script(upstream)
    assert [ask(gateway, "acme").status for _ in range(2)] == [200, 200]
    reload(gateway, config(2), "a day", 2)
    assert code(ask(gateway, "acme")) == (429, "insufficient_quota")
    reload(
        gateway, config(4, "renamed", tenant_table("aaa", '{ requests = 1, window = "day" }')), "renamed", 4
    )
    assert counted(gateway, "acme") == {"renamed": (2, 0)}
    assert [ask(gateway, "acme").status for _ in range(3)] == [200, 200, 429]
    # Below what is used: closed, and nothing underflows.
    reload(gateway, config(1), "a day", 1)
    refused = ask(gateway, "acme")
    assert code(refused) == (429, "insufficient_quota")
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    gateway.kill()
    gateway.start_again()
    assert counted(gateway, "acme") == {"a day": (4, 0)}


def test_what_is_under_way_settles_where_it_was_held(start: Start, upstream: Upstream) -> None:
    def config(amount: int) -> str:
        money = f'{{ name = "money", usd = {usd(amount)}, window = "day" }}'
        return limited(
            upstream.base_url, tenant_table("acme", f'{money}, {{ name = "at once", concurrent = 1 }}')
        )

    gateway = start("native", config(10**10))
    script(upstream, {"stall": "events:3", "stall_ms": 1500})
    with closing(gateway.send_chat(body(stream=True), key=key_of("acme"))) as client:
        until(lambda: counted(gateway, "acme")["at once"] == (0, 1), "one under way")
        reload(gateway, config(10**11), "money", 10**11)
        assert counted(gateway, "acme")["money"] == (0, held_pusd(body(stream=True)))
        received = b""
        while b"0\r\n\r\n" not in received:
            received += client.recv(65_536)
    until(lambda: counted(gateway, "acme") == {"money": (COST_PUSD, 0), "at once": (0, 0)}, "settled")


def test_a_limit_that_is_gone_holds_nobody(start: Start, upstream: Upstream) -> None:
    with_limit = limited(upstream.base_url, tenant_table("acme", '{ requests = 1, window = "day" }'))
    gateway = start("native", with_limit)
    script(upstream)
    assert [ask(gateway, "acme").status for _ in range(2)] == [200, 429]
    gateway.configure(limited(upstream.base_url, tenant_table("acme")))
    until(lambda: ask(gateway, "acme").status == 200, "no limit")
    gateway.configure(with_limit)
    until(lambda: ask(gateway, "acme").status == 429, "the limit, and what was used of it")


# Raises


def operate(gateway: Gateway, method: str, path: str, content: Any = None) -> Answer:
    encoded = None if content is None else json.dumps(content).encode()
    return fetch(
        gateway.admin_port, method, f"/admin/limits/{path}", encoded, {"authorization": f"Bearer {TOKEN}"}
    )


def test_a_raise_takes_effect_at_once_and_ends(start: Start, upstream: Upstream) -> None:
    limits = '{ name = "a day", per = "user", requests = 1, window = "day" }'
    gateway = start("native", limited(upstream.base_url, tenant_table("acme", limits), OPERATOR))
    script(upstream)

    def asked(user: str) -> int:
        return ask(gateway, "acme", user=user).status

    assert [asked("u1"), asked("u1"), asked("u2"), asked("u2")] == [200, 429, 200, 429]
    raised = operate(
        gateway, "POST", "raises", {"rule": "a day", "to": 2, "for": "1h", "identity": {"user": "u1"}}
    )
    assert raised.status == 201
    assert [asked("u1"), asked("u1"), asked("u2")] == [200, 429, 429]
    everybody = operate(gateway, "POST", "raises", {"rule": "a day", "to": 3, "for": "1h"})
    assert everybody.status == 201
    assert [asked("u1"), asked("u1"), asked("u2"), asked("u2"), asked("u2")] == [200, 429, 200, 200, 429]
    gateway.kill()
    gateway.start_again()
    found = standings(gateway, user="u1", tenant="acme")["a day"]
    assert (found["amount"], found["used"]) == (3, 3)
    assert operate(gateway, "DELETE", f"raises/{everybody.json()['raise']['id']}").status == 200
    assert asked("u2") == 429
    found = standings(gateway, user="u2", tenant="acme")["a day"]
    assert (found["amount"], found["used"]) == (1, 3), "what was used of a raise counts"


def test_a_raise_ends_by_itself(start: Start, upstream: Upstream) -> None:
    limits = '{ name = "money", usd = "0.0001", window = "day" }'
    gateway = start("native", limited(upstream.base_url, tenant_table("acme", limits), OPERATOR))
    script(upstream)
    assert code(ask(gateway, "acme")) == (400, "request_too_large_for_limit")
    assert operate(gateway, "POST", "raises", {"rule": "money", "to": "1", "for": "1s"}).status == 201
    assert ask(gateway, "acme").status == 200
    until(lambda: ask(gateway, "acme").status == 400, "the raise is over")
    until(lambda: standings(gateway, tenant="acme")["money"]["amount"] == 10**8, "told so")
