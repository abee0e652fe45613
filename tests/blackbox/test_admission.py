"""Which requests reserve, and of what: chains, repeats, refusals, more identities than there is room for."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.blackbox.conftest import Start
from tests.blackbox.gateway import CHAT, Gateway, running
from tests.blackbox.limits import (
    MAX_TOKENS,
    ask,
    body,
    headers_of,
    json_body,
    limited,
    reserved,
    script,
    tenant_table,
)
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

# As few as a configuration may have.
IDENTITIES = 1000
CHAINS = """
[deployments.dear]
provider = "upstream"
model = "m-dear"
[prices.dear]
input = 3.0
output = 9.0

[models.to-the-dear]
budget = "10s"
use = ["metered", "dear"]

[models.past-the-unpriced]
budget = "10s"
use = ["unpriced", "metered"]
"""


@pytest.fixture(scope="module")
def chained(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    a_day = 'window = "day"'
    tables = [
        tenant_table("chains", f"{{ usd = 1000, {a_day} }}"),
        tenant_table("free", more=""),
        tenant_table("repeats", f"{{ requests = 2, {a_day} }}, {{ concurrent = 1 }}"),
        tenant_table("refused", f"{{ requests = 1, {a_day} }}", key_more='models = ["metered"]\n'),
    ]
    with running(
        door, tmp_path_factory.mktemp(f"chained-{door}"), limited(provider.base_url, CHAINS, *tables)
    ) as gateway:
        yield gateway


def test_the_dearest_of_a_chain_is_held(chained: Gateway, upstream: Upstream) -> None:
    """The first one fails and the dear one answers: what was held covers that."""
    content = body("to-the-dear")
    script(upstream, {"status": 500})
    answer = ask(chained, "chains", content)
    assert answer.headers["x-fastgate-deployment"] == "dear"
    reservation = reserved(chained, answer)
    assert reservation is not None
    assert reservation["cost_pusd"] == len(content) * 3_000_000 + MAX_TOKENS * 9_000_000
    assert answer.headers["x-fastgate-cost-usd"] == "0.00021"


def test_money_takes_no_way_past_prices(chained: Gateway, upstream: Upstream) -> None:
    """Under a hard limit of money a deployment that nobody knows the price of is not tried, first or last."""
    content = body("past-the-unpriced")
    script(upstream)
    assert ask(chained, "free", content).headers["x-fastgate-deployment"] == "unpriced"
    assert ask(chained, "chains", content).headers["x-fastgate-deployment"] == "metered"
    script(upstream, status=500)
    assert ask(chained, "chains", content).status == 500
    assert [json.loads(seen.body)["model"] for seen in upstream.seen()] == ["m-metered"]


def test_repeats_at_once_are_one_request(chained: Gateway, upstream: Upstream) -> None:
    """Eight with the same key, and one may be under way: they wait for it together, and it counts once."""
    script(upstream, latency_ms=200)
    headers = {**headers_of("repeats"), "idempotency-key": f"at-once-{chained.door}"}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: chained.fetch("POST", CHAT, body(), headers), range(8)))
    assert {answer.status for answer in answers} == {200}
    assert len(upstream.seen()) == 1
    assert [ask(chained, "repeats").status for _ in range(2)] == [200, 429]


def test_a_denial_is_not_kept_for_repeats(start: Start, upstream: Upstream) -> None:
    def config(amount: int) -> str:
        return limited(upstream.base_url, tenant_table("later", f'{{ requests = {amount}, window = "day" }}'))

    gateway = start("native", config(1))
    script(upstream)
    headers = {**headers_of("later"), "idempotency-key": "k"}
    assert ask(gateway, "later").status == 200
    assert gateway.fetch("POST", CHAT, body(), headers).status == 429
    gateway.configure(config(2))
    until(lambda: gateway.fetch("POST", CHAT, body(), headers).status == 200, "room for it")
    assert gateway.fetch("POST", CHAT, body(), headers).status == 200, "kept"
    assert len(upstream.seen()) == 2


def test_what_is_refused_for_other_reasons_uses_nothing(chained: Gateway, upstream: Upstream) -> None:
    script(upstream)
    refused = [
        ask(chained, "refused", b'{"model": "metered", "messages": ['),
        ask(chained, "refused", json_body(messages=[])),
        ask(chained, "refused", body("nobody-knows-it")),
        ask(chained, "refused", body("spare")),
        ask(chained, "refused", body(stream="yes")),
        ask(chained, "refused", region="mars"),
        ask(chained, "refused", user="x" * 300),
    ]
    assert [answer.status for answer in refused] == [400, 400, 403, 403, 400, 400, 400]
    assert upstream.seen() == []
    assert [ask(chained, "refused").status for _ in range(2)] == [200, 429]


def test_more_identities_than_there_is_room_for_share(start: Start, upstream: Upstream) -> None:
    """Beyond the bound those that come share what one may use: strict, never generous."""
    crowd = tenant_table("crowd", '{ per = "user", requests = 2, window = "day" }')
    text = limited(upstream.base_url, crowd).replace(
        "[limiting]\n", f"[limiting]\nidentities = {IDENTITIES}\n"
    )
    gateway = start("native", text)
    script(upstream)
    with ThreadPoolExecutor(4) as pool:
        first = pool.map(lambda number: ask(gateway, "crowd", user=f"u{number}").status, range(IDENTITIES))
        assert set(first) == {200}
    others = [ask(gateway, "crowd", user=f"other-{number}").status for number in range(6)]
    assert others == [200, 200, 429, 429, 429, 429]
    # Who was there before has a count of its own.
    assert [ask(gateway, "crowd", user="u1").status for _ in range(2)] == [200, 429]
