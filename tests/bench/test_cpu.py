"""Reading /proc: names with parentheses, trees, and the choice between the two clocks."""

import os

from bench.cpu import (
    NS_PER_TICK,
    Snapshot,
    cpu_ns,
    descendants,
    memory,
    parse_busy_ticks,
    parse_schedstat,
    parse_smaps_rollup,
    parse_stat,
    read_tree,
    snapshot,
    thread_ns,
)

LINE = (
    "4242 (a (b) c) S 17 4242 4242 0 -1 4194560 900 0 0 0 120 34 5 6 20 0 3 0 98765 12345 678 "
    "18446744073709551615 0 0 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0"
)


def test_a_name_with_parentheses_and_spaces_does_not_shift_the_fields() -> None:
    stat = parse_stat(LINE)
    assert (stat.pid, stat.name, stat.parent) == (4242, "a (b) c", 17)
    assert (stat.user_ticks, stat.system_ticks, stat.reaped_ticks, stat.start_ticks) == (120, 34, 11, 98765)
    assert stat.total_ticks == 165


def test_descendants_are_found_in_any_order_and_others_are_not() -> None:
    def stat(pid: int, parent: int) -> str:
        return LINE.replace("4242 (", f"{pid} (").replace(" S 17 ", f" S {parent} ")

    stats = [parse_stat(stat(*pair)) for pair in [(5, 3), (3, 1), (4, 2), (1, 0), (2, 0), (6, 5)]]
    assert [found.pid for found in descendants(1, stats)] == [1, 3, 5, 6]
    assert descendants(99, stats) == []


def test_the_nanosecond_clock_is_used_while_nobody_left() -> None:
    before = Snapshot({1: 100}, {(1, 1): 1_000_000_000})
    after = Snapshot({1: 110}, {(1, 1): 1_099_000_123, (1, 2): 1_000})
    assert cpu_ns(before, after) == 99_001_123


def test_the_tick_clock_is_used_when_a_thread_took_its_time_with_it() -> None:
    before = Snapshot({1: 100}, {(1, 1): 0, (1, 2): 500_000_000})
    after = Snapshot({1: 150}, {(1, 1): 10_000_000})
    assert cpu_ns(before, after) == 50 * NS_PER_TICK


def test_a_reaped_child_is_counted_once() -> None:
    before = Snapshot({1: 100, 2: 40}, {})
    after = Snapshot({1: 160}, {})  # 45 ticks of the child, 15 of its own
    assert cpu_ns(before, after) == 20 * NS_PER_TICK


def test_time_per_thread_counts_new_threads_from_zero() -> None:
    assert thread_ns(Snapshot({}, {(1, 1): 5}), Snapshot({}, {(1, 1): 7, (1, 9): 3})) == {
        (1, 1): 2,
        (1, 9): 3,
    }


def test_small_files() -> None:
    assert parse_schedstat("123456789 42 7\n") == 123456789
    rollup = "00400000-7ff ---p 0 00:00 0 [rollup]\nRss:   2048 kB\nPss:    1000 kB\nPss_Dirty: 7 kB\n"
    assert (parse_smaps_rollup(rollup).rss_bytes, parse_smaps_rollup(rollup).pss_bytes) == (
        2_097_152,
        1_024_000,
    )
    stat = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 400 50 6 7 8 0 0\ncpu1 10 0 0 0 0 0 0 0 0 0\nintr 5\n"
    assert parse_busy_ticks(stat, [0]) == 27
    assert parse_busy_ticks(stat, [0, 1]) == 37


def test_this_very_process_has_used_time_and_memory() -> None:
    me = os.getpid()
    assert me in {stat.pid for stat in read_tree(me)}
    before = snapshot(me)
    sum(range(300_000))
    assert cpu_ns(before, snapshot(me)) > 0
    assert memory(me).rss_bytes >= memory(me).pss_bytes > 0
