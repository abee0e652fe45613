"""The ledger's figures: `python -m bench.ledger`.

Loads a synthetic spool (twenty calls a session, one in twenty with a failed attempt, some prompts repeated) in
this process, pinned to one core, from closed segments to the last commit. Then fills the rollups, directly, with
a year of ten million events a month, and asks what `fastgate costs --by feature,tenant,model --since 365d` asks.
"""

import argparse
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fastgate.billing.ledger.loading import Loader
from fastgate.billing.ledger.segments import frame
from fastgate.billing.ledger.sqlite_store import SqliteStore

SEGMENT_RECORDS = 50_000
CALLS_PER_SESSION = 20
TENANTS, FEATURES, MODELS, USERS = 40, 12, 8, 20_000


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
        f"in {took:.2f} s: {loaded.events / took:.0f} events/s, {cpu / loaded.events * 1e6:.1f} us of CPU each; "
        f"ledger {file / loaded.events:.0f} bytes an event"
    )


def main() -> None:
    """Both runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    folder = Path(tempfile.mkdtemp(prefix="fastgate-bench-"))
    try:
        load(folder, arguments.records)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
