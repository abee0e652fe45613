"""The plan of arrivals, what becomes of records, and a short run over sockets."""

import random
import subprocess
import sys

import pytest
from bench.fairness import TENANTS, Setting, arrivals, bound_ms, group, schedule, within

SETTING = Setting(places=8, latency_ms=100, seconds=10.0, seed=1)


def record(outcome: str, queue_us: int, started_us: int = 0) -> dict[str, object]:
    return {
        "outcome": outcome,
        "status": 200 if outcome == "answered" else 503,
        "usage": {"input_tokens": 200, "output_tokens": 50} if outcome == "answered" else None,
        "stages_us": {"queue": queue_us},
        "started_unix_us": started_us,
    }


def test_arrivals_keep_to_their_rate_and_time() -> None:
    found = arrivals(50.0, 100.0, random.Random(7))
    assert len(found) == pytest.approx(5000, rel=0.05)
    assert found == sorted(found)
    assert found[0] > 0
    assert found[-1] < 100


def test_who_pays_asks_at_the_same_times_with_and_without_a_flood() -> None:
    calm, flooded = schedule(SETTING, is_flooded=False), schedule(SETTING, is_flooded=True)
    paid = [(at, tenant) for at, tenant in flooded if TENANTS[tenant][0] == "paid"]
    assert paid == calm
    free = [tenant for _, tenant in flooded if TENANTS[tenant][0] == "free"]
    assert len(free) == pytest.approx(10 * SETTING.per_second * SETTING.seconds, rel=0.05)
    assert free.count("free-loud") == pytest.approx(3 * free.count("free-quiet"), rel=0.1)


def test_a_group_has_the_waits_of_those_served_only() -> None:
    found = group([record("answered", 3000), record("answered", 1000), record("refused", 90_000)])
    assert (found.offered, found.served, found.refused, found.tokens) == (3, 2, 1, 500)
    assert (found.wait_ms(0.5), found.wait_ms(0.99)) == (1.0, 3.0)
    assert group([]).wait_ms(0.99) == 0.0


def test_the_first_fifth_is_left_out() -> None:
    records = [record("answered", 0, started) for started in (5_000_000, 6_999_999, 7_000_000, 12_000_000)]
    assert [it["started_unix_us"] for it in within(records, SETTING)] == [7_000_000, 12_000_000]


def test_the_bound_is_a_tenth_or_one_call() -> None:
    assert bound_ms(0.0, SETTING) == 100.0
    assert bound_ms(5000.0, SETTING) == 5500.0


def test_a_short_run_ends_with_a_table() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.fairness", "--quick"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode in (0, 1), ran.stderr
    rows = [
        line.split("|")[1:3] for line in ran.stdout.splitlines() if line.startswith(("| calm", "| flood"))
    ]
    assert [(run.strip(), who.strip()) for run, who in rows] == [
        *(("calm", who) for who in ("paid", "paid-a", "paid-b")),
        *(("flood", who) for who in ("paid", "free", *TENANTS)),
    ]
