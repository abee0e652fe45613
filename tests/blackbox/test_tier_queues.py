"""Who goes next of those who wait: by class, by the weight of tiers, evenly between tenants.

All wait while one request holds the only place at the provider. Then it leaves, and the provider sees the
others in the order in which they had their turns.
"""

import signal
import threading
from collections import Counter

import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import EUROPE_KEY, KEY, OTHER_KEY, key_table
from tests.blackbox.conftest import Start
from tests.blackbox.crowd import (
    CROWD_DOORS,
    FULL,
    Pending,
    ask,
    held,
    metric,
    metrics,
    send,
    until_waiting,
    users,
    waiting,
)
from tests.blackbox.gateway import Gateway
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

PAID, FREE, FREE_TOO = KEY, OTHER_KEY, EUROPE_KEY
CLASSES = ("interactive", "background", "batch")


@pytest.fixture(scope="module", params=CROWD_DOORS)
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def config(base_url: str, queue_length: int, concurrent: int = 1, weight: int = 3) -> str:
    """A deployment with so many places, and two tiers: `paid` with a tenant, `free` with two."""
    return (
        configuration.provider(base_url)
        + f"""
[deployments.model]
provider = "upstream"
model = "model"
limits = {{ concurrent = {concurrent} }}

[limiting]
queue_length = {queue_length}

[tiers.paid]
weight = {weight}
[tiers.free]

[tenants.acme]
tier = "paid"
[tenants.other]
tier = "free"
[tenants.europe]
tier = "free"
"""
        + key_table(PAID)
        + key_table(FREE, tenant="other")
        + key_table(FREE_TOO, tenant="europe")
    )


def crowd(gateway: Gateway, count: int, key: str, user: str, latency: str = "interactive") -> list[Pending]:
    """So many requests of a key, all of one user and class."""
    headers = {"x-fastgate-latency": latency}
    return [send(gateway, "model", key=key, user=user, headers=headers) for _ in range(count)]


def all_answered(waiting: list[Pending]) -> None:
    assert [request.answer().status for request in waiting] == [200] * len(waiting)


def test_interactive_before_background_before_batch(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=12), key=None)
    with held(gateway, upstream, "model") as (holder,):
        crowded = []
        for latency in reversed(CLASSES):
            crowded += crowd(gateway, 4, PAID, latency, latency)
        until_waiting(gateway, 12, "paid")
        holder.leave()
        all_answered(crowded)
    assert users(upstream) == ["interactive"] * 4 + ["background"] * 4 + ["batch"] * 4


def test_classes_are_of_a_tier_and_not_between_tiers(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=9, weight=1), key=None)
    with held(gateway, upstream, "model") as (holder,):
        crowded = crowd(gateway, 9, PAID, "paid", "batch") + crowd(gateway, 9, FREE, "free", "interactive")
        until_waiting(gateway, 9, "paid")
        until_waiting(gateway, 9, "free")
        holder.leave()
        all_answered(crowded)
    assert 4 <= users(upstream)[:10].count("paid") <= 6


@pytest.mark.parametrize("weight", [1, 3, 9])
def test_tiers_share_by_weight(door: str, start: Start, upstream: Upstream, weight: int) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=20, weight=weight), key=None)
    with held(gateway, upstream, "model") as (holder,):
        crowded = crowd(gateway, 20, FREE, "free") + crowd(gateway, 20, PAID, "paid")
        until_waiting(gateway, 20, "free")
        until_waiting(gateway, 20, "paid")
        holder.leave()
        all_answered(crowded)
    order = users(upstream)
    both = order[: (20 * (weight + 1)) // weight]
    share = len(both) * weight / (weight + 1)
    assert abs(both.count("paid") - share) <= 2, order
    # The share holds all the time, not in the end alone.
    early = order[:10]
    assert abs(early.count("paid") - 10 * weight / (weight + 1)) <= 2, order


def test_two_tenants_of_a_tier_share_evenly(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=24), key=None)
    with held(gateway, upstream, "model") as (holder,):
        # The one who asks for three times as much came first, too.
        crowded = crowd(gateway, 18, FREE, "loud") + crowd(gateway, 6, FREE_TOO, "quiet")
        until_waiting(gateway, 24, "free")
        holder.leave()
        all_answered(crowded)
    order = users(upstream)
    assert abs(order[:12].count("quiet") - 6) <= 1, order
    assert set(order[-10:]) == {"loud"}


def test_large_requests_count_for_more(door: str, start: Start, upstream: Upstream) -> None:
    upstream.script(
        {
            "when": {"stream": True},
            "times": "always",
            "usage": {"prompt_tokens": 2000, "completion_tokens": 1000},
        },
        usage={"prompt_tokens": 500, "completion_tokens": 250},
    )
    gateway = start(door, config(upstream.base_url, queue_length=28), key=None)
    with held(gateway, upstream, "model") as (holder,):
        large = {"messages": [{"role": "user", "content": "word " * 1600}], "max_tokens": 1000}
        small = {"messages": [{"role": "user", "content": "word " * 400}], "max_tokens": 250}
        crowded = [send(gateway, "model", key=FREE, user="large", stream=True, **large) for _ in range(8)]
        crowded += [send(gateway, "model", key=FREE_TOO, user="small", **small) for _ in range(20)]
        until_waiting(gateway, 28, "free")
        holder.leave()
        all_answered(crowded)
    order = users(upstream)
    # Tokens are shared, so four small ones go for each large one.
    assert 3 <= order[:20].count("large") <= 5, order


def test_who_pays_is_next_whatever_the_flood(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=60, weight=10), key=None)
    upstream.script(latency_ms=5)
    with held(gateway, upstream, "model") as (holder,):
        crowded = crowd(gateway, 60, FREE, "free")
        until_waiting(gateway, 60, "free")
        crowded += crowd(gateway, 1, PAID, "paid")
        until_waiting(gateway, 1, "paid")
        holder.leave()
        until(lambda: len(users(upstream)) > 10, "some are served")
        crowded += crowd(gateway, 3, PAID, "paid later")
        all_answered(crowded)
    order = users(upstream)
    assert order.index("paid") <= 1, order
    places = [place for place, user in enumerate(order) if user == "paid later"]
    # At most one of the free tier had its turn between them.
    assert places[-1] - places[0] <= 4, order
    assert places[0] < 40, order


def test_a_queue_that_one_tenant_fills_has_a_place_for_another(
    door: str, start: Start, upstream: Upstream
) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=12), key=None)
    with held(gateway, upstream, "model"):
        crowded = crowd(gateway, 12, FREE, "loud")
        until_waiting(gateway, 12, "free")
        told = ask(gateway, "model", key=FREE_TOO, budget_ms=200).error()["message"]
        for request in crowded:
            request.leave()
    assert FULL not in told


def test_a_queue_full_of_batch_has_a_place_for_interactive(
    door: str, start: Start, upstream: Upstream
) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=6), key=None)
    with held(gateway, upstream, "model"):
        crowded = crowd(gateway, 6, PAID, "batch", "batch")
        until_waiting(gateway, 6, "paid")
        told = ask(gateway, "model", key=PAID, budget_ms=200).error()["message"]
        for request in crowded:
            request.leave()
    assert FULL not in told


class Flood:
    """Clients of a key that ask without a pause until the end of the block; none of them may fail."""

    def __init__(self, gateway: Gateway, clients: int, key: str, user: str) -> None:
        self.statuses: Counter[int] = Counter()
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._work, args=(gateway, key, user), daemon=True)
            for _ in range(clients)
        ]

    def _work(self, gateway: Gateway, key: str, user: str) -> None:
        while not self._end.is_set():
            status = ask(gateway, "model", key=key, user=user).status
            with self._lock:
                self.statuses[status] += 1

    def __enter__(self) -> "Flood":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"


def test_a_flood_does_not_keep_who_pays_waiting(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=100, concurrent=2, weight=10), key=None)
    upstream.script(latency_ms=20)
    with Flood(gateway, 20, FREE, "free") as flood:
        until(lambda: len(upstream.seen()) >= 10, "the flood is under way")
        between = []
        for _ in range(10):
            before = len(upstream.seen())
            assert ask(gateway, "model", key=PAID, user="paid").status == 200
            order = users(upstream)[before:]
            between.append(order.index("paid"))
    assert flood.statuses.keys() == {200}
    # Two places, so two may be taken by the time it asks, and one more is its tier's turn.
    assert sorted(between)[len(between) // 2] <= 3, between
    assert max(between) <= 8, between


@pytest.fixture
def metered(door: str, start: Start, upstream: Upstream) -> Gateway:
    return start(door, config(upstream.base_url, queue_length=5), key=None)


def refusals(gateway: Gateway, tier: str) -> dict[str, float]:
    name, reasons = "fastgate_queue_refused_total", ("full", "late", "left")
    return {reason: metric(gateway, name, tier=tier, reason=reason) for reason in reasons}


def served(gateway: Gateway, tier: str) -> float:
    return metric(gateway, "fastgate_queue_served_total", tier=tier)


def test_metrics_tell_who_waits_and_what_became_of_them(metered: Gateway, upstream: Upstream) -> None:
    assert [waiting(metered, tier) for tier in ("paid", "free", "")] == [0, 0, 0]
    with held(metered, upstream, "model") as (holder,):
        free, paid = crowd(metered, 5, FREE, "free"), crowd(metered, 3, PAID, "paid")
        until_waiting(metered, 5, "free")
        until_waiting(metered, 3, "paid")
        assert served(metered, "free") == 0
        assert FULL in ask(metered, "model", key=FREE).error()["message"]
        assert ask(metered, "model", key=PAID, budget_ms=150).status == 503
        paid.pop().leave()
        until_waiting(metered, 2, "paid")
        assert refusals(metered, "free") == {"full": 1, "late": 0, "left": 0}
        assert refusals(metered, "paid") == {"full": 0, "late": 1, "left": 1}
        holder.leave()
        all_answered(free + paid)
    assert [waiting(metered, tier) for tier in ("paid", "free", "")] == [0, 0, 0]
    assert served(metered, "free") == 5
    assert served(metered, "paid") == 2
    # Two of the paying tier waited for as long as the one took that did not get its turn.
    assert 0.3 <= metric(metered, "fastgate_queue_wait_seconds_total", tier="paid") < 60
    # Who finds room does not wait, and is none of the queue's.
    assert ask(metered, "model", key=FREE).status == 200
    assert served(metered, "free") == 5


def test_first_come_first_served_within_a_tenant(metered: Gateway, upstream: Upstream) -> None:
    with held(metered, upstream, "model") as (holder,):
        crowded = []
        for number in range(1, 6):
            crowded += crowd(metered, 1, FREE, str(number))
            until_waiting(metered, number, "free")
        holder.leave()
        all_answered(crowded)
    assert users(upstream) == ["1", "2", "3", "4", "5"]


def test_a_tier_that_a_reload_takes_away_is_served_to_its_end(metered: Gateway, upstream: Upstream) -> None:
    text = config(upstream.base_url, queue_length=5)
    with held(metered, upstream, "model") as (holder,):
        crowded = crowd(metered, 3, FREE, "free")
        until_waiting(metered, 3, "free")
        metered.configure(text.replace("[tiers.free]", "[tiers.trial]").replace('"free"', '"trial"'))
        until(lambda: 'tier="trial"' in metrics(metered), "reloaded")
        assert waiting(metered, "free") == 3
        crowded += crowd(metered, 2, FREE, "trial")
        until_waiting(metered, 2, "trial")
        holder.leave()
        all_answered(crowded)
    assert Counter(users(upstream)) == {"free": 3, "trial": 2}


def test_a_stop_lets_all_tiers_finish(door: str, start: Start, upstream: Upstream) -> None:
    gateway = start(door, config(upstream.base_url, queue_length=6), key=None)
    with held(gateway, upstream, "model") as (holder,):
        crowded = crowd(gateway, 6, FREE, "free") + crowd(gateway, 6, PAID, "paid")
        until_waiting(gateway, 6, "free")
        until_waiting(gateway, 6, "paid")
        gateway.process.send_signal(signal.SIGTERM)
        holder.leave()
        all_answered(crowded)
    assert gateway.process.wait(20) in (0, -signal.SIGTERM)
