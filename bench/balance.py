"""Are connections spread over a server's worker threads? `python -m bench.balance --target native`.

Opens N connections, finds the thread that serves each by giving one connection work and seeing whose CPU time
grows, then runs a long stream on all of them at once and reports streams and CPU time per thread. A server
that lets the kernel spread connections over listeners shows here how uneven that is; with long streams an
uneven spread stays.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import cpu
from bench.alone import alone
from bench.http1 import Connection, ReplyReader
from bench.instance import Instance
from bench.loop import Check
from bench.options import options_from, parser
from bench.payload import KEY, Kind
from bench.processes import BenchError

Thread = tuple[int, int]
PROBES = 20


@dataclass(frozen=True)
class Share:
    """One thread's part of the connections and of the CPU time while all streams ran."""

    name: str
    thread: Thread
    connections: int
    cpu_ms: float
    cpu_share: float


def shares(
    connections: Sequence[Thread], used_ns: Mapping[Thread, int], names: Mapping[Thread, str]
) -> list[Share]:
    """One entry per thread that serves a connection or used a hundredth of the time, busiest first."""
    counts, total = Counter(connections), sum(used_ns.values()) or 1
    found = [
        Share(names.get(thread, "?"), thread, counts[thread], used / 1e6, used / total)
        for thread, used in used_ns.items()
        if counts[thread] or used * 100 >= total
    ]
    return sorted(found, key=lambda share: -share.cpu_share)


def imbalance(connections: Sequence[Thread], workers: int) -> float:
    """Connections of the fullest thread over an even share: 1.0 is perfect, `workers` is all on one."""
    return max(Counter(connections).values()) * workers / len(connections)


def serving_thread(instance: Instance, connection: Connection) -> Thread:
    """The thread whose CPU time grows most when only this connection has work."""
    probe = f"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    before = instance.cpu()
    for _ in range(PROBES):
        connection.exchange(probe)
    after = instance.cpu()
    if before is None or after is None:
        raise BenchError("nothing to look at: the target has no process")
    used = cpu.thread_ns(before, after)
    return max(used, key=lambda thread: used[thread])


def stream_all(instance: Instance, connections: Sequence[Connection], check: Check) -> int:
    """One stream on every connection at once; how many were not right."""
    request, wrong = instance.encoded(Kind.PACED), 0
    for connection in connections:
        connection.socket.sendall(request)
    for connection in connections:  # the kernel buffers the others meanwhile
        reader = ReplyReader()
        while data := connection.socket.recv(65536):
            if reader.feed(data):
                break
        wrong += check(reader.finish()) is not None
    return wrong


def arguments() -> argparse.ArgumentParser:
    """The bench's options and those of the balance test."""
    result = parser()
    result.prog = "python -m bench.balance"
    result.add_argument("--target", default="native")
    result.add_argument("--over", type=int, default=64, metavar="N", help="connections (default %(default)s)")
    result.add_argument(
        "--limit", type=float, default=1.5, help="largest imbalance allowed (default %(default)s)"
    )
    return result


def main() -> int:
    """Run and print; exit 1 when a stream was wrong or the fullest thread has more than `--limit` even
    shares.
    """
    given = arguments().parse_args()
    name, count, limit = given.target, given.over, given.limit
    del given.target, given.over, given.limit
    options = options_from(given)
    with alone(name, options) as (instance, _):
        connections = [Connection(instance.port(Kind.PACED)) for _ in range(count)]
        try:
            served = [serving_thread(instance, connection) for connection in connections]
            before, clock = instance.cpu(), time.monotonic()
            wrong = stream_all(instance, connections, instance.checks[Kind.PACED])
            after, seconds = instance.cpu(), time.monotonic() - clock
        finally:
            for connection in connections:
                connection.close()
        if before is None or after is None:
            raise BenchError("nothing to look at: the target has no process")
        used = cpu.thread_ns(before, after)
        found = shares(served, used, {thread: cpu.thread_name(*thread) for thread in used})
    worst = imbalance(served, options.workers)
    print(
        f"{count} streams of {seconds:.1f} s over {count} connections, {options.workers} workers expected\n"
    )
    print("| thread | connections | CPU ms | share |\n|---|---:|---:|---:|")
    for one in found:
        cost = f"{one.cpu_ms:.1f} | {one.cpu_share:.1%}"
        print(f"| {one.name} {one.thread[1]} | {one.connections} | {cost} |")
    print(f"\nfullest thread: {worst:.2f} even shares (limit {limit:g}); wrong streams: {wrong}")
    print(json.dumps({"imbalance": worst, "wrong": wrong, "connections": count, "seconds": seconds}))
    return int(wrong > 0 or worst > limit)


if __name__ == "__main__":
    raise SystemExit(main())
