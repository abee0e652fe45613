"""Which requests a limit lets through: every scope, resource and kind of window, over every door.

Each case has a tenant of its own, so that one gateway serves all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.blackbox.configuration import key_table
from tests.blackbox.gateway import Gateway, running
from tests.blackbox.limits import (
    COST_PUSD,
    INPUT_TOKENS,
    MAX_TOKENS,
    OUTPUT_TOKENS,
    ask,
    body,
    code,
    held_pusd,
    key_of,
    limited,
    script,
    tenant_table,
    usd,
)
from tests.blackbox.upstream import Upstream

ALLOWED = 2
A_DAY = f'requests = {ALLOWED}, window = "day"'


@dataclass(frozen=True)
class Scoped:
    """Who shares a count, who has another one: a tenant, headers and a model each."""

    limit: str
    one: dict[str, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)


# `tenant` is another key here: "-second" of the same tenant, "-other" of another one.
SCOPES = {
    "tenant": Scoped(
        "", same={"tenant": "-second", "user": "u", "model": "spare"}, other={"tenant": "-other"}
    ),
    "key": Scoped('per = "key"', same={"user": "u"}, other={"tenant": "-second"}),
    "user": Scoped(
        'per = "user"',
        one={"user": "u1"},
        same={"user": "u1", "tenant": "-second", "model": "spare"},
        other={"user": "u2"},
    ),
    "feature": Scoped(
        'per = "feature"', one={"feature": "f1"}, same={"feature": "f1", "user": "u"}, other={"feature": "f2"}
    ),
    "session": Scoped(
        'per = "session"', one={"session": "s1"}, same={"session": "s1", "user": "u"}, other={"session": "s2"}
    ),
    "no-session": Scoped('per = "session"', one={"session": "s1"}, same={"session": "s1"}, other={}),
    "model": Scoped('per = "model"', same={"user": "u"}, other={"model": "spare"}),
    "user-of-other-tenant": Scoped(
        'per = "user"',
        one={"user": "u1"},
        same={"user": "u1", "model": "spare"},
        other={"user": "u1", "tenant": "-other"},
    ),
    "user-and-model": Scoped(
        'per = ["user", "model"]',
        one={"user": "u1"},
        same={"user": "u1", "feature": "f"},
        other={"user": "u1", "model": "spare"},
    ),
    "feature-and-session": Scoped(
        'per = ["feature", "session"]',
        one={"feature": "f1", "session": "s1"},
        same={"feature": "f1", "session": "s1", "user": "u"},
        other={"feature": "f2", "session": "s1"},
    ),
    "key-and-user": Scoped(
        'per = ["key", "user"]',
        one={"user": "u1"},
        same={"user": "u1", "model": "spare"},
        other={"user": "u1", "tenant": "-second"},
    ),
    "only-a-feature": Scoped(
        'when = { feature = "f1" }', one={"feature": "f1"}, same={"feature": "f1", "user": "u"}, other={}
    ),
    "only-a-model": Scoped('when = { model = "metered" }', same={"user": "u"}, other={"model": "spare"}),
}

# What a request is held for, and what it uses then.
RESOURCES = {
    "requests": (1, 1),
    "input_tokens": (len(body()), INPUT_TOKENS),
    "output_tokens": (MAX_TOKENS, OUTPUT_TOKENS),
    "tokens": (len(body()) + MAX_TOKENS, INPUT_TOKENS + OUTPUT_TOKENS),
    "usd": (held_pusd(body()), COST_PUSD),
}
WINDOWS = ("1m", "61s", "2h", "day", "week", "month")
# Used before the first denial: three requests, and what a fourth would be held for is not there.
SERVED = 3


def amount_for(resource: str) -> int:
    """An amount that lets so many through, and lacks a good part of what one more would need."""
    held, used = RESOURCES[resource]
    return held + SERVED * used - max(1, used // 2)


def limit_of(resource: str, window: str) -> str:
    amount = amount_for(resource)
    written = usd(amount) if resource == "usd" else str(amount)
    if window != "1m":
        return f'{resource} = {written}, window = "{window}", hard = true'
    # So slow a rate that nothing worth a request comes back while the test runs.
    slow = '"0.000001"' if resource == "usd" else "1"
    return f'{resource} = {slow}, burst = {written}, window = "1m", hard = true'


def scope_tenant(name: str, suffix: str = "") -> str:
    return f"scope-{name}{suffix}"


def config(base_url: str) -> str:
    tables = []
    for name, case in SCOPES.items():
        comma = ", " if case.limit else ""
        limit = f"{{ {case.limit}{comma}{A_DAY} }}"
        tables.append(tenant_table(scope_tenant(name), limit))
        tables.append(key_table(key_of(scope_tenant(name, "-second")), scope_tenant(name)))
        tables.append(tenant_table(scope_tenant(name, "-other"), limit))
    tables += [
        tenant_table(f"{resource}-{window}", f"{{ {limit_of(resource, window)} }}")
        for resource in RESOURCES
        for window in WINDOWS
    ]
    tables.append(
        f"""
[tiers.free]
limits = [{{ {A_DAY} }}, {{ per = "user", requests = 1, window = "2h" }}]
[tiers.shared]
[[limits]]
name = "all of a tier"
per = "tier"
when = {{ tier = "shared" }}
{A_DAY.replace(", ", chr(10))}
[[limits]]
name = "of a key"
per = "key"
when = {{ tenant = "amounts" }}
{A_DAY.replace(", ", chr(10))}
"""
    )
    tables.append(tenant_table("default", more='tier = "free"'))
    tables.append(tenant_table("own", '{ requests = 4, window = "day" }', more='tier = "free"'))
    tables += [tenant_table(f"shared-{number}", more='tier = "shared"') for number in range(2)]
    tables.append(tenant_table("amounts"))
    tables.append(
        key_table(key_of("amounts-more"), "amounts", f'limit_amounts = {{ "of a key" = {ALLOWED + 3} }}\n')
    )
    tables.append(tenant_table("of-key"))
    tables.append(key_table(key_of("of-key-limited"), "of-key", f"limits = [{{ {A_DAY} }}]\n"))
    tables.append(
        tenant_table("fixed", f'{{ per = "user", {A_DAY} }}', key_more='user = "always"\nfeature = "one"\n')
    )
    tables.append(
        tenant_table(
            "several", '{ requests = 5, window = "day" }, { per = "user", requests = 1, window = "2h" }'
        )
    )
    return limited(base_url, *tables)


@pytest.fixture(scope="module")
def limited_gateway(
    door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with running(door, tmp_path_factory.mktemp(f"limited-{door}"), config(provider.base_url)) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def scripted(upstream: Upstream) -> None:
    script(upstream)


def statuses(gateway: Gateway, tenant: str, count: int, **who: Any) -> list[int]:
    model = who.pop("model", "metered")
    return [ask(gateway, tenant, body(model), **who).status for _ in range(count)]


@pytest.mark.parametrize("name", SCOPES)
def test_who_shares_a_count(limited_gateway: Gateway, upstream: Upstream, name: str) -> None:
    case = SCOPES[name]

    def asked(who: dict[str, str], count: int = 1) -> list[int]:
        tenant = scope_tenant(name, who.get("tenant", ""))
        return statuses(limited_gateway, tenant, count, **{k: v for k, v in who.items() if k != "tenant"})

    assert asked(case.one, ALLOWED - 1) + asked(case.same) == [200] * ALLOWED
    assert asked(case.one) + asked(case.same) == [429, 429]
    assert asked(case.other, ALLOWED) == [200] * ALLOWED
    assert len(upstream.seen()) == 2 * ALLOWED


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("resource", RESOURCES)
def test_as_much_as_a_limit_says_and_no_more(
    limited_gateway: Gateway, upstream: Upstream, resource: str, window: str
) -> None:
    answers = [ask(limited_gateway, f"{resource}-{window}") for _ in range(SERVED + 2)]
    denied = "rate_limit_exceeded" if window in ("1m", "61s") else "insufficient_quota"
    assert [code(answer) for answer in answers] == [(200, None)] * SERVED + [(429, denied)] * 2
    assert len(upstream.seen()) == SERVED


def test_a_tenant_replaces_its_tiers_limit_for_the_same_count_only(limited_gateway: Gateway) -> None:
    users = [f"u{number}" for number in range(5)]
    assert [ask(limited_gateway, "default", user=user).status for user in users] == [200, 200, 429, 429, 429]
    # Four a day, not two, and still one per user.
    assert [ask(limited_gateway, "own", user=user).status for user in ("u0", *users)] == [
        *(200, 429, 200, 200, 200),
        429,
    ]


def test_tenants_of_a_tier_share_what_is_counted_per_tier(limited_gateway: Gateway) -> None:
    asked = [ask(limited_gateway, f"shared-{number % 2}").status for number in range(4)]
    assert asked == [200, 200, 429, 429]


def test_a_key_may_have_another_amount(limited_gateway: Gateway) -> None:
    assert statuses(limited_gateway, "amounts", ALLOWED + 1) == [200] * ALLOWED + [429]
    assert statuses(limited_gateway, "amounts-more", ALLOWED + 4) == [200] * (ALLOWED + 3) + [429]


def test_a_keys_own_limit_leaves_other_keys_alone(limited_gateway: Gateway) -> None:
    assert statuses(limited_gateway, "of-key-limited", ALLOWED + 1) == [200] * ALLOWED + [429]
    assert statuses(limited_gateway, "of-key", ALLOWED + 1) == [200] * (ALLOWED + 1)


def test_what_a_key_fixes_no_header_changes(limited_gateway: Gateway) -> None:
    first = ask(limited_gateway, "fixed", user="another", feature="another")
    second = ask(limited_gateway, "fixed", body(user="third", safety_identifier="fourth"))
    third = ask(limited_gateway, "fixed", user="fifth")
    assert [answer.status for answer in (first, second, third)] == [200, 200, 429]


def test_all_limits_of_a_request_or_none(limited_gateway: Gateway, upstream: Upstream) -> None:
    """What the user's limit denies uses nothing of the tenant's."""
    asked = [ask(limited_gateway, "several", user="greedy").status for _ in range(5)]
    assert asked == [200, 429, 429, 429, 429]
    others = [ask(limited_gateway, "several", user=f"u{number}").status for number in range(5)]
    assert others == [200, 200, 200, 200, 429]
    assert len(upstream.seen()) == 5
