"""Shares per thread and growth of memory."""

import pytest
from bench.balance import imbalance, shares
from bench.soak import growth_mb


def test_imbalance_is_the_fullest_thread_over_an_even_share() -> None:
    assert imbalance([(1, 1), (1, 2), (1, 1), (1, 2)], 2) == 1.0
    assert imbalance([(1, 1)] * 4, 2) == 2.0
    assert imbalance([(1, 1), (1, 1), (1, 1), (1, 2)], 2) == 1.5


def test_shares_leave_out_idle_threads_without_connections() -> None:
    found = shares(
        [(1, 1), (1, 1), (1, 2)],
        {(1, 1): 600_000_000, (1, 2): 2_000_000, (1, 3): 398_000_000, (1, 4): 0},
        {(1, 1): "worker-0", (1, 2): "worker-1"},
    )
    assert [(share.name, share.connections) for share in found] == [
        ("worker-0", 2),
        ("?", 0),
        ("worker-1", 1),
    ]
    assert found[0].cpu_ms == 600.0
    assert found[0].cpu_share == pytest.approx(0.6)


def test_growth_is_counted_from_when_memory_has_settled() -> None:
    samples = [(20_000, 10_000_000), (60_000, 30_000_000), (200_000, 31_500_000)]
    assert growth_mb(samples, 60_000) == 1.5
