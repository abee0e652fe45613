"""Does memory stay flat? `python -m bench.soak --target native`: 200,000 checked requests, memory on the way,
and one record of each in the end.

The bar compares resident memory after 60,000 requests, when pools and caches have filled, with that after
200,000.
"""

import argparse
import json
from collections.abc import Sequence

from bench.alone import alone
from bench.books import mismatch
from bench.loop import closed_loop
from bench.options import options_from, parser
from bench.payload import Kind
from bench.upstream import Counter

STEP = 20_000
SETTLED = 60_000
LIMIT_MB = 2.0


def growth_mb(samples: Sequence[tuple[int, int]], settled: int) -> float:
    """Megabytes between the first sample at or after `settled` requests and the last one."""
    start = next(rss for at, rss in samples if at >= settled)
    return (samples[-1][1] - start) / 1e6


def arguments() -> argparse.ArgumentParser:
    """The bench's options and those of the soak."""
    result = parser()
    result.prog = "python -m bench.soak"
    result.add_argument("--target", default="native")
    result.add_argument("--total", type=int, default=200_000, help="requests (default %(default)s)")
    return result


def main() -> int:
    """Run and print; exit 1 on any error or growth beyond the bar."""
    given = arguments().parse_args()
    name, total = given.target, given.total
    del given.target, given.total
    options = options_from(given)
    samples: list[tuple[int, int]] = []
    errors, problem = 0, None
    with alone(name, options) as (instance, upstream):
        counter, port, request = (
            Counter(upstream, Kind.JSON),
            instance.port(Kind.JSON),
            instance.encoded(Kind.JSON),
        )
        check, books = instance.checks[Kind.JSON], instance.books()
        for done in range(0, total, STEP):
            part = min(STEP, total - done)
            result = closed_loop(port, request, connections=options.connections, total=part, check=check)
            errors, problem = errors + result.errors, problem or result.problem
            memory = instance.memory()
            samples.append((done + part, memory.rss_bytes if memory else 0))
            print(
                f"{done + part:>9,} requests  RSS {samples[-1][1] / 1e6:7.2f} MB  errors {errors}", flush=True
            )
        received = counter.received(total - errors)
        audit = books.audit(replies=total - errors, sent=total, received=received)
    settled = min(SETTLED, total)
    growth = growth_mb(samples, settled)
    holds = abs(growth) <= LIMIT_MB and not errors and received == total
    holds = holds and not (audit and audit.errors)
    print(f"upstream received {received:,} of {total:,}")
    print(f"growth after {settled:,} requests: {growth:+.2f} MB (bar {LIMIT_MB} MB)")
    if problem := problem or mismatch(audit):
        print(f"first problem: {problem}")
    print(
        json.dumps(
            {"samples": samples, "growth_mb": growth, "errors": errors, "received": received, "holds": holds}
        )
    )
    return int(not holds)


if __name__ == "__main__":
    raise SystemExit(main())
