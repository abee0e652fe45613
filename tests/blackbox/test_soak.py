"""Memory stays where it is, however many requests have passed."""

import os

import pytest
from tests.blackbox import configuration
from tests.blackbox.configuration import KEY
from tests.blackbox.conftest import ALL_DOORS, Start
from tests.blackbox.load import hammer
from tests.blackbox.processes import resident_bytes
from tests.blackbox.upstream import Upstream

WARM_UP = 60_000
TOTAL = 200_000
MAY_MOVE_BYTES = 2 << 20
# What closing and compressing a segment takes belongs to the warm-up.
SMALL_SEGMENTS = '[spool]\nsegment_size = "8MB"\n'

# Seconds for the native door, up to a minute for each other one: those in CI, or with FASTGATE_SOAK=all.
DOORS = ALL_DOORS if os.environ.get("CI") or os.environ.get("FASTGATE_SOAK") == "all" else ["native"]


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("soaked", DOORS)
def test_memory_is_flat(soaked: str, start: Start) -> None:
    # A provider that keeps no records: they would be this process's memory, but its time as well.
    upstream = Upstream(record=False)
    try:
        gateway = start(soaked, configuration.open_provider(upstream.base_url) + SMALL_SEGMENTS)
        assert hammer(gateway.port, KEY, WARM_UP) == 0
        before = resident_bytes(gateway.process.pid)
        assert hammer(gateway.port, KEY, TOTAL - WARM_UP) == 0
        after = resident_bytes(gateway.process.pid)
        assert upstream.mock.counts()["requests"] == TOTAL
    finally:
        upstream.mock.stop()
    print(f"{soaked}: {before / 2**20:.1f} MiB after {WARM_UP}, {after / 2**20:.1f} MiB after {TOTAL}")
    assert abs(after - before) <= MAY_MOVE_BYTES, f"{before} -> {after}"
