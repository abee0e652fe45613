"""The ledger's figures: `python -m bench.ledger`.

Loads a synthetic spool (twenty calls a session, one in twenty with a failed attempt, a fifth of the prompts
repeated) in this process, pinned to one core, from closed segments to the last commit.

Then fills the rollups with a year of ten million events a month, asks for its sums by feature, tenant and
model, and makes the page that `fastgate costs --since 365d` prints. The rows are made directly, without
events, and only those that are read: months, the days and hours before the first whole month, the days that a
page judges, and the first ranges of sessions.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from fastgate.billing.ledger.child import quieten_collector
from fastgate.billing.ledger.loading import Loader
from fastgate.billing.ledger.reading import Ledger
from fastgate.billing.ledger.schema import (
    BUCKETS,
    EVENT_COLUMNS,
    MEASURE_COLUMNS,
    ROLLUPS,
    Grain,
    create_month,
    month_start,
    month_table,
    rollup_table,
)
from fastgate.billing.ledger.segments import frame
from fastgate.billing.ledger.sqlite_store import SqliteStore
from fastgate.billing.ledger.summary import Summary
from fastgate.billing.reports.asking import Asked, make
from fastgate.billing.reports.budgets import MOST, Calendar, Known, Rule
from fastgate.billing.reports.report import Report, Sources
from fastgate.billing.reports.revenue import Prices
from fastgate.billing.reports.rows import Row

SEGMENT_RECORDS = 50_000
CALLS_PER_SESSION = 20
TENANTS, FEATURES, MODELS, USERS = 40, 12, 8, 20_000
COMBINATIONS = TENANTS * FEATURES * MODELS
# Days that unusual ones are looked for in and compared with, and those of budgets.
JUDGED_DAYS = 62
# Ten million events a month, twenty to a session, which meet 2.5 models on average.
SESSION_ROWS_A_DAY = 10_000_000 // 30 // 20 * 5 // 2
# Those that an estimate reads, and some.
SESSION_BUCKETS = 8
NAMES = 50_000


def records(count: int, seed: int, started_unix_us: int, spacing_us: int) -> Iterator[dict[str, object]]:
    """Exchanges as a gateway writes them."""
    chance = random.Random(seed)
    salt = chance.getrandbits(64)
    sessions: list[dict[str, object]] = []
    for number in range(count):
        if len(sessions) < 500 or chance.random() < 1 / CALLS_PER_SESSION:
            tenant = int(TENANTS * chance.random() ** 2)
            sessions.append(
                {
                    "tenant": f"tenant-{tenant}",
                    "user": f"user-{int(USERS * chance.random() ** 2)}",
                    "feature": f"feature-{int(FEATURES * chance.random() ** 2)}",
                    "session": f"{chance.getrandbits(64):016x}",
                    "key": f"{tenant:012x}",
                }
            )
            if len(sessions) > 500:
                sessions[chance.randrange(500)] = sessions.pop()
        who = chance.choice(sessions)
        prompt = chance.getrandbits(64) if chance.random() < 0.8 else chance.randrange(500)
        model = chance.randrange(MODELS)
        record: dict[str, object] = {
            "v": 1,
            "id": f"fgr_{salt:016x}{number:08x}",
            "trace_id": f"{chance.getrandbits(128):032x}",
            "started_unix_us": started_unix_us + number * spacing_us,
            "operation": "chat",
            **who,
            "model": f"model-{model}",
            "deployment": f"model-{model}-us",
            "provider": f"provider-{model % 3}",
            "provider_model": f"model-{model}-2026",
            "attempts": 1,
            "stream": chance.random() < 0.5,
            "status": 200,
            "outcome": "answered",
            "fault": "none",
            "usage": {"input_tokens": chance.randrange(4000), "output_tokens": chance.randrange(800)},
            "usage_estimated": False,
            "service_tier": None,
            "cost_pusd": chance.randrange(10**10),
            "prompt_hash": f"{prompt:016x}",
            "request_bytes": 1024,
            "overhead_us": 40,
            "first_content_us": 300_000,
            "total_us": 900_000,
            "stages_us": {
                "admit": 3,
                "receive": 20,
                "read": 4,
                "route": 3,
                "backoff": 0,
                "provider": 300_000,
            },
        }
        if chance.random() < 0.05:
            record["attempts"] = 2
            record["trail"] = [
                {
                    "deployment": f"model-{model}-eu",
                    "provider": f"provider-{model % 3}",
                    "reason": "overloaded",
                    "status": 503,
                    "us": 2000,
                }
            ]
        yield record


def write_spool(spool: Path, count: int) -> int:
    """Closed segments with so many records; their bytes."""
    spool.mkdir(parents=True)
    started, size = 1_793_000_000_000_000, 0
    for first in range(0, count, SEGMENT_RECORDS):
        some = records(min(SEGMENT_RECORDS, count - first), first, started + first * 260_000, 260_000)
        data = b"".join(frame(json.dumps(record, separators=(",", ":")).encode()) for record in some)
        size += len(data)
        (spool / f"{1_793_000_000_000 + first}-1-0-{first // SEGMENT_RECORDS:06}.spool").write_bytes(data)
    return size


def load(folder: Path, count: int) -> None:
    """Load a spool and say how fast it went."""
    size = write_spool(folder / "spool", count)
    began, began_cpu = time.perf_counter(), time.process_time()
    with SqliteStore(folder) as store:
        loaded = Loader(folder / "spool", store).load()
        took, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        file = store.file.stat().st_size
    print(
        f"loaded {loaded.events} events of {loaded.records} records ({size / count:.0f} bytes each) "
        f"in {took:.2f} s: {loaded.events / took:.0f} events/s, {loaded.events / cpu:.0f} per second of CPU; "
        f"ledger {file / loaded.events:.0f} bytes an event"
    )


def fill_year(store: SqliteStore, first_unix_s: int, last_unix_s: int) -> None:
    """Sums of a year that begins a day after the first event, and an event at each end."""
    connection = store.connection
    connection.execute("BEGIN")
    for unix_s in (first_unix_s, last_unix_s):
        table = month_table(unix_s * 1_000_000)
        create_month(connection, table)
        values = {"exchange_id": "x", "started_unix_us": unix_s * 1_000_000}
        columns = [name for name, kind in EVENT_COLUMNS.items() if "NOT NULL" in kind]
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [values.get(name, 0) for name in columns],
        )
        connection.execute("UPDATE rolled_up SET sequence = 1 WHERE events = ?", (table,))
    connection.executemany(
        "INSERT INTO names VALUES (?, ?)", [(number, f"name {number}") for number in range(1, NAMES)]
    )
    months = sorted({month_start(day) for day in range(first_unix_s, last_unix_s, 86_400)})
    fill_rollup(connection, "costs", "month", months, COMBINATIONS)
    first_day = first_unix_s - first_unix_s % 86_400 + 86_400
    last_day = last_unix_s - last_unix_s % 86_400
    before_months, judged = range(months[0], months[1], 86_400), last_day - JUDGED_DAYS * 86_400
    fill_rollup(
        connection, "costs", "day", [*before_months, *range(judged, last_unix_s, 86_400)], COMBINATIONS
    )
    fill_rollup(connection, "traffic", "hour", range(first_day, first_day + 86_400, 3600), COMBINATIONS)
    days = range(first_day, last_unix_s, 86_400)
    for bucket in range(SESSION_BUCKETS):
        fill_rollup(connection, "sessions", "day", days, SESSION_ROWS_A_DAY // BUCKETS, bucket=bucket)
    connection.execute("COMMIT")


def fill_rollup(
    connection: sqlite3.Connection,
    rollup: str,
    grain: Grain,
    starts: Iterable[int],
    rows: int,
    bucket: int = 0,
) -> None:
    """So many rows with numbers in every column, for each start."""
    dimensions = ROLLUPS[rollup][0]
    sizes = {"tenant": TENANTS, "feature": FEATURES, "model": MODELS}
    spread = {
        "tenant": "n",
        "feature": f"n / {TENANTS}",
        "model": f"n / {TENANTS * FEATURES}",
    }
    # What is no part of the question tells rows apart.
    values = [f"1 + ({spread[name]}) % {sizes[name]}" if name in sizes else "1 + n" for name in dimensions]
    measures = [f"1000 + (n * 7919 + start * {place}) % 1000000" for place in range(len(MEASURE_COLUMNS))]
    prefix = [str(bucket), "start"] if rollup == "sessions" else ["start"]
    connection.execute(
        f"INSERT INTO {rollup_table(rollup, grain)} "
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?), "
        "starts (start) AS (SELECT value FROM json_each(?)) "
        f"SELECT {', '.join([*prefix, *values, *measures])} FROM starts, numbers",
        (rows, json.dumps(list(starts))),
    )


def ask_year(folder: Path, rounds: int) -> None:
    """Fill the rollups and say how long the questions take, each time with a new connection."""
    until = 1_795_000_000
    since = until - 365 * 86_400
    with SqliteStore(folder) as store:
        fill_year(store, since - 86_400, until - 1)
    budgets = Known(tuple(budget(per) for per in ("tenant", "feature")))
    measure(
        "sums of a year by feature, tenant, model",
        folder,
        rounds,
        lambda ledger: ledger.summary(("feature", "tenant", "model"), since, until),
    )
    measure(
        "the page of costs of a year",
        folder,
        rounds,
        lambda ledger: in_full(make(Asked(since="365d"), ledger, Sources(Prices(()), (), budgets), until)),
    )


def budget(per: str) -> Rule:
    """A monthly budget for each of them."""
    calendar = Calendar("month", "UTC")
    return Rule(f"a budget per {per}", (per,), {}, 10**18, {}, calendar, 800, is_hard=True)


def in_full(report: Report) -> list[Row]:
    """The groups of a report that has everything a page has."""
    assert report.parts
    assert report.judged_features == FEATURES
    assert len(report.budgets) == MOST
    assert any(each.kind == "unanswered_requests" and each.cost_pusd for each in report.waste)
    return report.groups


def measure(
    what: str, folder: Path, rounds: int, ask: Callable[[Ledger], Sequence[Summary] | Sequence[Row]]
) -> None:
    """Say how long it takes."""
    took, cpu = list[float](), list[float]()
    for _ in range(rounds):
        began, began_cpu = time.perf_counter(), time.process_time()
        with Ledger.open(folder) as ledger:
            found = ask(ledger)
        took.append(time.perf_counter() - began)
        cpu.append(time.process_time() - began_cpu)
    print(
        f"{what}: {len(found)} groups, median {statistics.median(took):.3f} s, worst {max(took):.3f} s "
        f"of {rounds}, CPU {statistics.median(cpu):.3f} s"
    )


def main() -> None:
    """Both runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    quieten_collector()
    folder = Path(tempfile.mkdtemp(prefix="fastgate-bench-"))
    try:
        load(folder / "load", arguments.records)
        ask_year(folder / "year", arguments.rounds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
