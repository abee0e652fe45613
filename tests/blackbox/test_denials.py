"""What a client is told when a limit says no, what OpenAI's SDK makes of it, and that it uses nothing."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from tests.blackbox.gateway import Answer, Gateway, running
from tests.blackbox.limits import (
    COST_PUSD,
    MAX_TOKENS,
    ask,
    body,
    code,
    held_pusd,
    key_of,
    limited,
    script,
    standings,
    tenant_table,
    usd,
)
from tests.blackbox.records import exchanges
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

RETRIES = 5


@dataclass(frozen=True)
class Denial:
    """A tenant's limits, how many requests they let through first, and what the next one is told."""

    limits: str
    before: int
    status: int
    kind: str
    code: str
    should_retry: str | None = None
    retry_after: range | None = None
    """Seconds; None: the header is not there."""
    held: bool = False
    """The request before is still under way."""
    request: bytes = body()
    reset: range | None = None
    """Seconds in `RateLimit`."""
    raises: type[openai.APIStatusError] = openai.RateLimitError


def rate_limited(limits: str, retry_after: range, *, before: int = 1, held: bool = False) -> Denial:
    return Denial(
        *(limits, before, 429, "rate_limit_error", "rate_limit_exceeded"), retry_after=retry_after, held=held
    )


def spent(limits: str, reset: range) -> Denial:
    return Denial(
        *(limits, 1, 429, "insufficient_quota", "insufficient_quota"), should_retry="false", reset=reset
    )


def too_large(limits: str, request: bytes = body()) -> Denial:
    return Denial(
        *(limits, 0, 400, "invalid_request_error", "request_too_large_for_limit"),
        should_retry="false",
        request=request,
        raises=openai.BadRequestError,
    )


HOUR_S, DAY_S = 3600, 86_400
ENOUGH_FOR_ONE = f"usd = {usd(held_pusd(body()))}"
DENIALS = {
    "rate": rate_limited('{ requests = 6, window = "1m" }', range(9, 11)),
    "slow-rate": rate_limited('{ tokens = 1, burst = 150, window = "1m", hard = true }', range(120, 121)),
    "short-quota": rate_limited('{ requests = 1, window = "90s" }', range(85, 94)),
    "concurrency": rate_limited("{ concurrent = 1 }", range(1, 2), held=True),
    "money-reserved": rate_limited(f'{{ {ENOUGH_FOR_ONE}, window = "day" }}', range(1, 2), held=True),
    "tokens-reserved": rate_limited(
        f'{{ output_tokens = {MAX_TOKENS}, window = "2h", hard = true }}', range(1, 2), held=True
    ),
    "quota": spent('{ requests = 1, window = "2h" }', range(2 * HOUR_S - 60, 2 * HOUR_S + 300)),
    "calendar-quota": spent('{ requests = 1, window = "day" }', range(DAY_S // 4, DAY_S)),
    "budget": spent(f'{{ {ENOUGH_FOR_ONE}, window = "month" }}', range(DAY_S // 4, 32 * DAY_S)),
    "too-large": too_large('{ output_tokens = 40, window = "2h", hard = true }'),
    "too-large-for-a-burst": too_large('{ tokens = 1000, burst = 100, window = "1m", hard = true }'),
    "too-dear": too_large('{ usd = "0.0001", window = "day" }'),
    "no-budget": too_large('{ usd = 0, window = "day" }'),
    "price-unknown": Denial(
        *('{ usd = 100, window = "day" }', 0, 403, "permission_error", "price_unknown"),
        should_retry="false",
        request=body("unpriced"),
        raises=openai.PermissionDeniedError,
    ),
}
# Beside the limit that denies: one that would show it if a denial used anything.
WITNESS = '{ name = "witness of %s", requests = 100, window = "2h" }'


@pytest.fixture(scope="module")
def denying(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    tables = [
        tenant_table(f"{name}-{use}", f"{denial.limits}, {WITNESS % f'{name}-{use}'}")
        for name, denial in DENIALS.items()
        for use in ("raw", "sdk")
    ]
    tables.append(tenant_table("waits", '{ requests = 2, window = "1s" }'))
    with running(
        door, tmp_path_factory.mktemp(f"denying-{door}"), limited(provider.base_url, *tables)
    ) as gateway:
        yield gateway


@contextmanager
def used_up(gateway: Gateway, upstream: Upstream, denial: Denial, tenant: str) -> Iterator[None]:
    """What a limit lets through is used, or under way until the end."""
    if not denial.held:
        script(upstream)
        for _ in range(denial.before):
            assert ask(gateway, tenant, denial.request).status == 200
        yield
        return
    script(upstream, {"stall": "before_headers"})
    with closing(gateway.send_chat(denial.request, key=key_of(tenant))):
        until(upstream.seen, "the provider is asked")
        yield


def check(answer: Answer, denial: Denial) -> None:
    assert code(answer) == (denial.status, denial.code), answer.body
    assert answer.error()["type"] == denial.kind
    assert answer.headers.get("x-should-retry") == denial.should_retry
    retry_after = answer.headers.get("retry-after")
    if denial.retry_after is None:
        assert retry_after is None
    else:
        assert retry_after is not None
        assert int(retry_after) in denial.retry_after
    if denial.reset is not None:
        assert int(answer.headers["ratelimit"].rpartition(";t=")[2]) in denial.reset


@pytest.mark.parametrize("name", DENIALS)
def test_a_denial_is_told_as_the_table_says(denying: Gateway, upstream: Upstream, name: str) -> None:
    denial, tenant = DENIALS[name], f"{name}-raw"
    with used_up(denying, upstream, denial, tenant):
        asked = len(upstream.seen())
        before = witness(denying, tenant)
        answers = [ask(denying, tenant, denial.request, session=f"{name}-{n}") for n in range(3)]
        for answer in answers:
            check(answer, denial)
            assert answer.headers["x-fastgate-attempts"] == "0"
        assert len(upstream.seen()) == asked, "what is denied reaches no provider"
        assert witness(denying, tenant) == before, "what is denied uses nothing"
    ids = {answer.headers["x-fastgate-request-id"] for answer in answers}
    records = [record for record in exchanges(denying) if record["id"] in ids]
    assert len(records) == len(ids)
    for record in records:
        assert (record["outcome"], record["fault"], record["status"]) == (
            *(denial.code, "policy"),
            denial.status,
        )
        assert (record["attempts"], record["usage"], record["cost_pusd"]) == (0, None, 0)


def witness(gateway: Gateway, tenant: str) -> Any:
    """Where the limits of a tenant stand, bar what comes back with time; only the native door tells."""
    if gateway.door != "native":
        return None
    found = standings(gateway, tenant=tenant)
    return {name: (one["used"], one["reserved"]) for name, one in found.items() if one["window"] != "1m"}


@pytest.mark.parametrize("name", DENIALS)
def test_the_sdk_raises_the_right_class_and_repeats_nothing_in_vain(
    denying: Gateway, upstream: Upstream, name: str
) -> None:
    denial, tenant = DENIALS[name], f"{name}-sdk"
    # With its own retries where they must not happen; where they may, the test does not wait for them.
    retries = RETRIES if denial.should_retry else 0
    with used_up(denying, upstream, denial, tenant):
        with (
            denying.client(key_of(tenant), max_retries=retries) as client,
            pytest.raises(denial.raises) as caught,
        ):
            client.post("/chat/completions", cast_to=object, content=denial.request)
        error: Any = caught.value
        assert (error.code, error.type) == (denial.code, denial.kind)
    told = [record for record in exchanges(denying) if record["tenant"] == tenant]
    assert Counter(record["outcome"] for record in told)[denial.code] == 1


def test_the_sdk_comes_back_when_it_is_told_to(denying: Gateway, upstream: Upstream) -> None:
    """Twice as many at once as a second lets through: the SDK waits out `Retry-After`, and all are served."""
    script(upstream)
    with denying.client(key_of("waits"), max_retries=RETRIES) as client, ThreadPoolExecutor(4) as pool:
        messages: Any = [{"role": "user", "content": "Hello"}]
        jobs = [
            pool.submit(
                client.chat.completions.create, model="metered", messages=messages, max_tokens=MAX_TOKENS
            )
            for _ in range(4)
        ]
        assert {job.result().choices[0].message.content for job in jobs} == {"one two three"}
    assert len(upstream.seen()) == 4
    outcomes = Counter(record["outcome"] for record in exchanges(denying) if record["tenant"] == "waits")
    assert outcomes["answered"] == 4
    assert outcomes["rate_limit_exceeded"] >= 1
    assert outcomes.keys() == {"answered", "rate_limit_exceeded"}


def test_one_costs_what_the_table_of_prices_says(denying: Gateway, upstream: Upstream) -> None:
    """The budgets above are spent by one request only if this holds."""
    answered = [record for record in exchanges(denying) if record["outcome"] == "answered"]
    assert {record["cost_pusd"] for record in answered} == {COST_PUSD}
