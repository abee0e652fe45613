"""Soft limits: an estimate is reserved, what is used beyond it is debt, and nobody is denied for a guess."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.blackbox.gateway import Gateway, chat_body, running
from tests.blackbox.limits import (
    COST_PUSD,
    INPUT_TOKENS,
    MAX_TOKENS,
    OUTPUT_TOKENS,
    ask,
    body,
    code,
    counted,
    limited,
    reserved,
    script,
    tenant_table,
    usd,
)
from tests.blackbox.upstream import Upstream

LIMIT_TOKENS, LONG_TOKENS = 1000, 2000
AT_ONCE = 30


@pytest.fixture(scope="module")
def soft(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    tables = [
        tenant_table("debt", f'{{ name = "debt", tokens = {LIMIT_TOKENS}, window = "2h" }}'),
        tenant_table("learned", f'{{ per = "user", tokens = {LIMIT_TOKENS}, window = "2h" }}'),
        tenant_table("small", '{ tokens = 200, window = "2h" }'),
        tenant_table("at-once", f'{{ name = "at once", tokens = {LIMIT_TOKENS}, window = "day" }}'),
        tenant_table(
            "money", f'{{ name = "money", usd = {usd(10 * COST_PUSD)}, hard = false, window = "day" }}'
        ),
        tenant_table("unpriced", '{ name = "unpriced", usd = 1, hard = false, window = "day" }'),
    ]
    with running(
        door, tmp_path_factory.mktemp(f"soft-{door}"), limited(provider.base_url, *tables)
    ) as gateway:
        yield gateway


def long_answers(upstream: Upstream) -> None:
    script(upstream, usage={"prompt_tokens": INPUT_TOKENS, "completion_tokens": LONG_TOKENS})


def test_a_request_may_go_into_debt_and_the_next_is_denied(soft: Gateway, upstream: Upstream) -> None:
    long_answers(upstream)
    answer = ask(soft, "debt", body(stream=True))
    assert answer.status == 200
    assert b"[DONE]" in answer.body
    assert reserved(soft, answer) is None, "what is soft is not written down beforehand"
    denied = ask(soft, "debt")
    assert code(denied) == (429, "insufficient_quota")
    assert denied.headers["x-ratelimit-remaining-tokens"] == "0"
    assert len(upstream.seen()) == 1
    if soft.door == "native":
        assert counted(soft, "debt") == {"debt": (INPUT_TOKENS + LONG_TOKENS, 0)}


def test_one_long_answer_locks_nobody_out(soft: Gateway, upstream: Upstream) -> None:
    """What one user's answer taught is a guess for the next one, who has used nothing yet."""
    long_answers(upstream)
    content = chat_body("metered")
    assert ask(soft, "learned", content, user="u1").status == 200
    assert code(ask(soft, "learned", content, user="u1")) == (429, "insufficient_quota")
    assert ask(soft, "learned", content, user="u2").status == 200


def test_a_small_limit_lets_small_requests_through(soft: Gateway, upstream: Upstream) -> None:
    """Nothing is known of such requests yet, and 256 tokens of output are only a first guess."""
    script(upstream)
    assert ask(soft, "small", chat_body("metered")).status == 200


def test_many_at_once_reserve_their_estimates(soft: Gateway, upstream: Upstream) -> None:
    """As many are let through as estimates fit beside each other; each is at least its bytes over four."""
    script(upstream, latency_ms=300)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: ask(soft, "at-once"), range(AT_ONCE)))
    told = Counter(code(answer) for answer in answers)
    assert told.keys() == {(200, None), (429, "rate_limit_exceeded")}
    estimate = len(body()) // 4 + MAX_TOKENS
    assert LIMIT_TOKENS // (2 * estimate) <= told[200, None] <= LIMIT_TOKENS // estimate
    if soft.door == "native":
        used = told[200, None] * (INPUT_TOKENS + OUTPUT_TOKENS)
        assert counted(soft, "at-once") == {"at once": (used, 0)}


def test_money_may_be_soft(soft: Gateway, upstream: Upstream) -> None:
    """Then it is counted as ever, and denied when it is spent."""
    script(upstream)
    answers = [ask(soft, "money") for _ in range(12)]
    served = sum(answer.status == 200 for answer in answers)
    assert served >= 9
    assert {code(answer) for answer in answers} == {(200, None), (429, "insufficient_quota")}
    if soft.door == "native":
        assert counted(soft, "money") == {"money": (served * COST_PUSD, 0)}


def test_soft_money_does_not_count_what_has_no_price(soft: Gateway, upstream: Upstream) -> None:
    script(upstream)
    assert ask(soft, "unpriced", body("unpriced")).status == 200
    if soft.door == "native":
        assert counted(soft, "unpriced") == {"unpriced": (0, 0)}
