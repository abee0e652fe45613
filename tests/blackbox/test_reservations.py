"""What a request is held for under a hard limit: a bound of what its provider may bill, or it is denied."""

import json
import resource
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, Gateway, running
from tests.blackbox.limits import (
    COST_PUSD,
    INPUT_PUSD,
    OUTPUT_PUSD,
    ask,
    body,
    code,
    held_pusd,
    json_body,
    key_of,
    limited,
    reserved,
    script,
    standings,
    tenant_table,
    usd,
)
from tests.blackbox.processes import tree
from tests.blackbox.records import exchanges
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

RESPONSES, COMPLETIONS, EMBEDDINGS = "/v1/responses", "/v1/completions", "/v1/embeddings"
DEFAULT_OUTPUT_TOKENS = 700
BUDGET = f'{{ usd = {usd(10**10)}, window = "day" }}'
# Fields that say how long an answer may be, by interface, and a request without one.
LONG: dict[str, tuple[str, dict[str, Any]]] = {
    CHAT: ("max_completion_tokens", {"messages": [{"role": "user", "content": "Hello"}]}),
    RESPONSES: ("max_output_tokens", {"input": "Hello"}),
    COMPLETIONS: ("max_tokens", {"prompt": "Hello"}),
}
AT_ONCE, ALLOWED = 24, 7


@pytest.fixture(scope="module")
def bounding(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    tables = [
        tenant_table("hard", BUDGET),
        tenant_table("soft", '{ tokens = 1_000_000, window = "day" }'),
        tenant_table("choices", '{ usd = 1000, window = "day" }'),
        tenant_table("tokens", '{ tokens = 1000, window = "2h", hard = true }'),
        tenant_table("requests", f'{{ requests = {ALLOWED}, window = "day" }}'),
        tenant_table("money", f'{{ usd = {usd(ALLOWED * held_pusd(body()))}, window = "day" }}'),
        tenant_table("one", "{ concurrent = 3 }"),
    ]
    text = limited(provider.base_url, *tables)
    text = text.replace("[limiting]\n", f"[limiting]\noutput_tokens = {DEFAULT_OUTPUT_TOKENS}\n")
    with running(
        *(door, tmp_path_factory.mktemp(f"bounding-{door}"), text),
        settings='files_provider = "upstream"\n',
    ) as gateway:
        yield gateway


@pytest.mark.parametrize("path", LONG)
def test_a_missing_bound_is_asked_for_and_held(bounding: Gateway, upstream: Upstream, path: str) -> None:
    script(upstream)
    name, fields = LONG[path]
    content = json_body(model="metered", **fields)
    answer = ask(bounding, "hard", content, path=path)
    assert answer.status == 200
    sent = json.loads(upstream.only().body)
    assert sent == {**json.loads(content), "model": "m-metered", name: DEFAULT_OUTPUT_TOKENS}
    reservation = reserved(bounding, answer)
    assert reservation is not None
    assert (reservation["input_tokens"], reservation["output_tokens"]) == (
        len(content),
        DEFAULT_OUTPUT_TOKENS,
    )
    assert reservation["cost_pusd"] == held_pusd(content, DEFAULT_OUTPUT_TOKENS)


@pytest.mark.parametrize("path", LONG)
def test_null_is_no_bound(bounding: Gateway, upstream: Upstream, path: str) -> None:
    script(upstream)
    name, fields = LONG[path]
    assert (
        ask(bounding, "hard", json_body(model="metered", **fields, **{name: None}), path=path).status == 200
    )
    assert json.loads(upstream.only().body)[name] == DEFAULT_OUTPUT_TOKENS


@pytest.mark.parametrize("path", LONG)
def test_what_is_said_is_never_changed(bounding: Gateway, upstream: Upstream, path: str) -> None:
    script(upstream)
    name, fields = LONG[path]
    content = json_body(model="metered", **fields, **{name: 33})
    assert ask(bounding, "hard", content, path=path).status == 200
    assert upstream.only().body == content.replace(b'"metered"', b'"m-metered"')


@pytest.mark.parametrize("path", LONG)
def test_a_soft_limit_changes_no_request(bounding: Gateway, upstream: Upstream, path: str) -> None:
    script(upstream)
    content = json_body(model="metered", **LONG[path][1])
    answer = ask(bounding, "soft", content, path=path)
    assert answer.status == 200
    assert upstream.only().body == content.replace(b'"metered"', b'"m-metered"')
    assert reserved(bounding, answer) is None


def test_of_two_bounds_the_larger_one_is_held(bounding: Gateway, upstream: Upstream) -> None:
    script(upstream)
    answer = ask(bounding, "hard", body(max_tokens=5, max_completion_tokens=400))
    reservation = reserved(bounding, answer)
    assert reservation is not None
    assert reservation["output_tokens"] == 400


@pytest.mark.parametrize("absurd", [-1, -(2**63), 1.5, 1e3, 1e300, "10", True, False, [], {}, 2**63, 2**70])
@pytest.mark.parametrize("path", LONG)
def test_an_absurd_bound_is_denied(bounding: Gateway, upstream: Upstream, path: str, absurd: Any) -> None:
    script(upstream)
    name, fields = LONG[path]
    content = json_body(model="metered", **fields, **{name: absurd})
    for tenant in ("hard", "tokens"):
        answer = ask(bounding, tenant, content, path=path)
        assert answer.status == 400
        assert answer.error()["code"] in ("invalid_request", "request_too_large_for_limit")
    assert upstream.seen() == []


@pytest.mark.parametrize(
    "absurd",
    [
        1_000_000,
        2**63,
        *(2**70, 1e9, 10_000.0, "10000"),
    ],
)
def test_absurdly_many_choices_are_denied(bounding: Gateway, upstream: Upstream, absurd: Any) -> None:
    script(upstream)
    answer = ask(bounding, "hard", body(n=absurd))
    assert answer.status == 400
    assert answer.error()["code"] in ("invalid_request", "request_too_large_for_limit")
    assert upstream.seen() == []


@pytest.mark.parametrize(
    ("path", "fields", "choices"),
    [
        (CHAT, {"n": 3}, 3),
        (COMPLETIONS, {"n": 2, "prompt": ["a", "b", "c"]}, 6),
        (COMPLETIONS, {"best_of": 20}, 20),
    ],
)
def test_every_choice_is_held(
    bounding: Gateway, upstream: Upstream, path: str, fields: dict[str, Any], choices: int
) -> None:
    script(upstream)
    content = json_body(**{"model": "metered", **LONG[path][1], "max_tokens": 50, **fields})
    answer = ask(bounding, "choices", content, path=path)
    assert answer.status == 200
    reservation = reserved(bounding, answer)
    assert reservation is not None
    assert reservation["output_tokens"] == 50 * choices
    assert reservation["cost_pusd"] == len(content) * INPUT_PUSD + 50 * choices * OUTPUT_PUSD


def test_embeddings_have_no_output(bounding: Gateway, upstream: Upstream) -> None:
    script(upstream)
    content = json_body(model="metered", input="word " * 100)
    answer = ask(bounding, "tokens", content, path=EMBEDDINGS)
    assert code(answer) == (200, None)


def test_a_background_response_stays_held_until_it_is_known(start: Start, upstream: Upstream) -> None:
    content = json_body(model="metered", input="x", max_output_tokens=50, background=True)
    limit = f'{{ name = "budget", usd = {usd(2 * held_pusd(content))}, window = "day" }}'
    gateway = start("native", limited(upstream.base_url, tenant_table("background", limit)))
    script(upstream, usage={"prompt_tokens": 10, "completion_tokens": 50})
    made = [ask(gateway, "background", content, path=RESPONSES) for _ in range(5)]
    for answer in made:
        if answer.status == 200:
            ask_for = f"{RESPONSES}/{answer.json()['id']}"
            gateway.fetch("GET", ask_for, None, {"authorization": f"Bearer {key_of('background')}"})
    standing = standings(gateway, tenant="background")["budget"]
    assert standing["used"] <= standing["amount"]


def test_a_spent_budget_stops_batches(start: Start, upstream: Upstream) -> None:
    limit = f'{{ name = "budget", usd = {usd(held_pusd(body()))}, window = "day" }}'
    gateway = start(
        *("native", limited(upstream.base_url, tenant_table("batches", limit))),
        settings='files_provider = "upstream"\n',
    )
    script(upstream)
    assert [ask(gateway, "batches").status for _ in range(2)] == [200, 429]
    asked = len(upstream.seen())
    content = json_body(input_file_id="file-x", endpoint=CHAT, completion_window="24h")
    assert code(ask(gateway, "batches", content, path="/v1/batches")) == (400, "invalid_request")
    assert len(upstream.seen()) == asked


@pytest.mark.parametrize("tenant", ["requests", "money"])
def test_many_at_once_get_what_there_is(bounding: Gateway, upstream: Upstream, tenant: str) -> None:
    """All are under way together, so each is held in full: no more get through than can be."""
    script(upstream, latency_ms=300)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: ask(bounding, tenant), range(AT_ONCE)))
    told = Counter(code(answer) for answer in answers)
    assert told[200, None] == ALLOWED == len(upstream.seen())
    assert told.total() - told[200, None] == told[429, "rate_limit_exceeded"] == AT_ONCE - ALLOWED
    if bounding.door == "native":
        (standing,) = standings(bounding, tenant=tenant).values()
        used = ALLOWED * (COST_PUSD if tenant == "money" else 1)
        assert (standing["used"], standing["reserved"]) == (used, 0)


def test_never_more_under_way_than_may_be(bounding: Gateway, upstream: Upstream) -> None:
    script(upstream, latency_ms=50)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: ask(bounding, "one"), range(4 * AT_ONCE)))
    told = Counter(code(answer) for answer in answers)
    assert told[200, None] >= 3
    assert told.keys() <= {(200, None), (429, "rate_limit_exceeded")}
    assert upstream.mock.counts()["in_flight_max"] <= 3


# An unwritable spool


@contextmanager
def no_file_may_grow(gateway: Gateway) -> Iterator[None]:
    """As on a full disk: whatever would make a file larger is an error to who writes it."""
    processes = tree(gateway.process.pid)
    before = {process: resource.prlimit(process, resource.RLIMIT_FSIZE) for process in processes}
    for process, (_, hard) in before.items():
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for process, limits in before.items():
            resource.prlimit(process, resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_closes_what_is_hard(door: str, start: Start, upstream: Upstream) -> None:
    """What is held can't be written down, so nothing is spent: 503 where a hard limit is, else as usual."""
    gateway = start(
        door,
        limited(
            upstream.base_url,
            tenant_table("hard", BUDGET),
            tenant_table("soft", '{ tokens = 10_000, window = "day" }'),
        ),
    )
    script(upstream)
    if door == "native":
        # Who can't print that it has started ends.
        until(lambda: "messages=messages" in gateway.log(), "all is printed")
    with no_file_may_grow(gateway):
        refused = ask(gateway, "hard")
        assert code(refused) == (503, "overloaded"), refused.body
        assert refused.headers["retry-after"] == "1"
        assert upstream.seen() == []
        assert ask(gateway, "soft").status == 200
        assert ask(gateway, "hard").status == 503
    assert ask(gateway, "hard").status == 200
    if door == "native":
        (standing,) = standings(gateway, tenant="hard").values()
        assert (standing["used"], standing["reserved"]) == (COST_PUSD, 0)
    assert [record["outcome"] for record in exchanges(gateway)][-1:] == ["answered"]
