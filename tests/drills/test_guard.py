"""When a drill stops by itself."""

from fastgate.drills.drill import Counts
from fastgate.drills.guard import Guard

MINUTE_MS = 60_000


def counts(exchanges: int, failed: int) -> Counts:
    return Counts(exchanges=exchanges, failed=failed)


def test_nothing_is_judged_before_the_minimum() -> None:
    guard = Guard(50, 20)
    assert guard.judge(counts(19, 19), 0) is None
    said = guard.judge(counts(20, 20), 1)
    assert said == "20 of 20 exchanges failed (100 %), more than 5 %"


def test_the_share_itself_is_allowed() -> None:
    assert Guard(50, 20).judge(counts(100, 5), 0) is None
    assert Guard(50, 20).judge(counts(100, 6), 0) is not None
    assert Guard(0, 1).judge(counts(1000, 0), 0) is None
    assert Guard(0, 1).judge(counts(1000, 1), 0) is not None
    assert Guard(1000, 1).judge(counts(10, 10), 0) is None


def test_what_begins_to_fail_after_a_long_good_time_trips_within_a_minute() -> None:
    guard = Guard(50, 20)
    now_ms = 0
    for minute in range(1, 600):
        now_ms = minute * MINUTE_MS // 2
        assert guard.judge(counts(minute * 1000, 0), now_ms) is None
    said = guard.judge(counts(600_000, 200), now_ms + 250)
    assert said is not None
    assert "of the last minute" in said


def test_a_minute_with_few_exchanges_is_not_judged_alone() -> None:
    guard = Guard(50, 20)
    assert guard.judge(counts(1000, 0), 0) is None
    assert guard.judge(counts(1000, 0), 3 * MINUTE_MS) is None
    assert guard.judge(counts(1010, 10), 3 * MINUTE_MS + 250) is None


def test_memory_stays_small() -> None:
    guard = Guard(1000, 1)
    for step in range(100_000):
        guard.judge(counts(step, 0), step * 250)
    assert len(guard._seen) <= MINUTE_MS // 250 + 2
