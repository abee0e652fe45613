"""CPU time and memory of a process tree, read from /proc (see proc(5)).

Two clocks are read. `stat` counts utime and stime in ticks of 10 ms and keeps the time of threads and reaped
children that are gone; `schedstat` counts run time in nanoseconds but forgets a thread when it ends. `cpu_ns`
uses the fine one unless the coarse one shows that somebody left.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
NS_PER_TICK = 1_000_000_000 // TICKS_PER_SECOND
LOADER = b"fastgate.billing.ledger.child"
PROC = Path("/proc")


@dataclass(frozen=True)
class Stat:
    """The fields of one `/proc/PID/stat` line the bench needs; times in ticks."""

    pid: int
    name: str
    parent: int
    user_ticks: int
    system_ticks: int
    reaped_ticks: int
    start_ticks: int

    @property
    def total_ticks(self) -> int:
        """User and system time, own and of reaped children."""
        return self.user_ticks + self.system_ticks + self.reaped_ticks


@dataclass(frozen=True)
class Snapshot:
    """CPU time a tree had used at one moment: ticks per process, nanoseconds per thread."""

    ticks: Mapping[int, int]
    run_ns: Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class Memory:
    """Resident bytes of a tree: `rss_bytes` counts shared pages once per process, `pss_bytes` once in all."""

    rss_bytes: int
    pss_bytes: int


def parse_stat(line: str) -> Stat:
    """Read a `/proc/PID/stat` line; the name is in parentheses and may itself hold spaces and parentheses."""
    head, _, tail = line.rpartition(")")
    pid, _, name = head.partition("(")
    fields = tail.split()
    return Stat(
        pid=int(pid),
        name=name,
        parent=int(fields[1]),
        user_ticks=int(fields[11]),
        system_ticks=int(fields[12]),
        reaped_ticks=int(fields[13]) + int(fields[14]),
        start_ticks=int(fields[19]),
    )


def parse_schedstat(line: str) -> int:
    """Nanoseconds on a CPU, the first field of `/proc/PID/task/TID/schedstat`."""
    return int(line.split(maxsplit=1)[0])


def parse_smaps_rollup(text: str) -> Memory:
    """Read `Rss:` and `Pss:` (kB) of `/proc/PID/smaps_rollup`."""
    kilobytes = {
        line.split(":")[0]: int(line.split()[1])
        for line in text.splitlines()
        if line.startswith(("Rss:", "Pss:"))
    }
    return Memory(kilobytes.get("Rss", 0) * 1024, kilobytes.get("Pss", 0) * 1024)


def descendants(root: int, stats: Iterable[Stat]) -> list[Stat]:
    """`root` and everything below it."""
    by_parent: dict[int, list[Stat]] = {}
    found: list[Stat] = []
    for stat in stats:
        by_parent.setdefault(stat.parent, []).append(stat)
        if stat.pid == root:
            found.append(stat)
    for stat in found:  # grows while it is walked
        found.extend(by_parent.get(stat.pid, ()))
    return found


def cpu_ns(before: Snapshot, after: Snapshot) -> int:
    """CPU time used between two snapshots of one tree."""
    fine = sum(now - before.run_ns.get(thread, 0) for thread, now in after.run_ns.items())
    coarse = (sum(after.ticks.values()) - sum(before.ticks.values())) * NS_PER_TICK
    # User and system time are each rounded down: per process the difference is less than two ticks off.
    slack = 2 * NS_PER_TICK * max(len(after.ticks), 1)
    return fine if after.run_ns and abs(coarse - fine) <= slack else coarse


def thread_ns(before: Snapshot, after: Snapshot) -> dict[tuple[int, int], int]:
    """CPU time used between two snapshots by each thread alive in the second."""
    return {thread: now - before.run_ns.get(thread, 0) for thread, now in after.run_ns.items()}


def read_tree(root: int) -> list[Stat]:
    """The processes of the tree below `root`, now."""
    stats = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                stats.append(parse_stat((entry / "stat").read_text()))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return descendants(root, stats)


def _serving(root: int) -> list[Stat]:
    """The tree below `root` without the ledger's loader: `python -m bench.ledger` has its figures."""
    return [stat for stat in read_tree(root) if not _is_loader(stat.pid)]


def _is_loader(pid: int) -> bool:
    try:
        return LOADER in (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def snapshot(root: int) -> Snapshot:
    """The CPU time of the tree below `root`, now, but for the ledger's loader."""
    ticks: dict[int, int] = {}
    run_ns: dict[tuple[int, int], int] = {}
    for stat in _serving(root):
        ticks[stat.pid] = stat.total_ticks
        try:
            for task in (PROC / str(stat.pid) / "task").iterdir():
                run_ns[stat.pid, int(task.name)] = parse_schedstat((task / "schedstat").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return Snapshot(ticks, run_ns)


def memory(root: int) -> Memory:
    """Resident memory of the tree below `root`, now, but for the ledger's loader."""
    rss = pss = 0
    for stat in _serving(root):
        try:
            one = parse_smaps_rollup((PROC / str(stat.pid) / "smaps_rollup").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
        rss, pss = rss + one.rss_bytes, pss + one.pss_bytes
    return Memory(rss, pss)


def thread_name(pid: int, tid: int) -> str:
    """The name of a thread, `?` when it is gone."""
    try:
        return (PROC / str(pid) / "task" / str(tid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return "?"


def parse_busy_ticks(text: str, cpus: Iterable[int]) -> int:
    """Ticks the given CPUs were busy (not idle, not waiting for disks), from `/proc/stat`; stolen time
    counts.
    """
    wanted = {f"cpu{cpu}" for cpu in cpus}
    busy = 0
    for line in text.splitlines():
        name, *values = line.split() or [""]
        if name in wanted:
            user, nice, system, _idle, _wait, irq, softirq, steal = (int(value) for value in values[:8])
            busy += user + nice + system + irq + softirq + steal
    return busy


def busy_ns(cpus: Iterable[int]) -> int:
    """Nanoseconds (in ticks of 10 ms) the given CPUs have been busy since boot, whoever used them."""
    return parse_busy_ticks((PROC / "stat").read_text(), cpus) * NS_PER_TICK
