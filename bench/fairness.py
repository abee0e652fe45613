"""Does a flood of the free tier move who pays? `python -m bench.fairness`.

A provider with so many places and a fixed latency, a gateway with two tiers before it. Paying tenants ask for
half of what it can do, at random times that are the same in every run; first alone, then while two tenants of
the free tier ask for ten times of what it can do, one of them three times as often as the other. Arrivals do
not wait for answers.

Waiting times are the gateway's own, from its records, so that the pace of clients is no part of them. It is
promised that the p99 of who pays grows by no more than a tenth, or by one call: nobody can be served before a
call that is under way has ended.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.http1 import ReplyReader, get
from bench.processes import BenchError, Child, free_port
from bench.stats import percentile
from fastgate._core import MockProvider, SpoolReader

START_SECONDS = 20.0
DRAIN_SECONDS = 30.0
QUEUE_LENGTH = 200
WEIGHTS = {"paid": 10, "free": 1}
PAID_LOAD, FLOOD = 0.5, 10.0
# Tenant: its tier, and its part of what the tier asks for.
TENANTS = {
    "paid-a": ("paid", 0.5),
    "paid-b": ("paid", 0.5),
    "free-loud": ("free", 0.75),
    "free-quiet": ("free", 0.25),
}
USAGE = {"prompt_tokens": 200, "completion_tokens": 50}


@dataclass(frozen=True)
class Setting:
    """What is run."""

    places: int
    latency_ms: int
    seconds: float
    seed: int

    @property
    def per_second(self) -> float:
        """Requests a second that the provider can answer."""
        return self.places * 1000 / self.latency_ms


@dataclass(frozen=True)
class Group:
    """What became of the requests of a tier or tenant that arrived in time to be counted."""

    offered: int
    served: int
    refused: int
    tokens: int
    waits_ms: Sequence[float] = field(repr=False)

    def wait_ms(self, share: float) -> float:
        """A percentile of the waits of those served; 0 of nobody."""
        return percentile(self.waits_ms, share) if self.waits_ms else 0.0


def arrivals(per_second: float, seconds: float, chance: random.Random) -> list[float]:
    """Times of a Poisson process, in seconds from its start."""
    found, at = list[float](), chance.expovariate(per_second)
    while at < seconds:
        found.append(at)
        at += chance.expovariate(per_second)
    return found


def schedule(setting: Setting, *, is_flooded: bool) -> list[tuple[float, str]]:
    """When who asks; who pays asks at the same times with and without a flood."""
    loads = {"paid": PAID_LOAD, "free": FLOOD if is_flooded else 0.0}
    found = list[tuple[float, str]]()
    for tenant, (tier, part) in TENANTS.items():
        per_second = setting.per_second * loads[tier] * part
        if per_second > 0:
            chance = random.Random(f"{setting.seed} {tenant}")
            found += [(at, tenant) for at in arrivals(per_second, setting.seconds, chance)]
    return sorted(found)


def group(records: Iterable[Mapping[str, Any]]) -> Group:
    """Sums over records of exchanges."""
    found = list(records)
    served = [record for record in found if record["outcome"] == "answered"]
    return Group(
        offered=len(found),
        served=len(served),
        refused=sum(record["status"] == 503 for record in found),
        tokens=sum(record["usage"]["input_tokens"] + record["usage"]["output_tokens"] for record in served),
        waits_ms=[record["stages_us"]["queue"] / 1000 for record in served],
    )


def key(tenant: str) -> str:
    """A tenant's key."""
    return f"fg_bench_{tenant}_0123456789"


def config(port: int, provider: str, setting: Setting, state_dir: Path) -> str:
    """A gateway with the tiers and their tenants."""
    lines = [
        "[server]",
        f'listen = "127.0.0.1:{port}"',
        'admin = "off"',
        f"state_dir = {json.dumps(str(state_dir))}",
        "[resilience]",
        "retries = 0",
        "adaptive_concurrency = false",
        "[limiting]",
        f"queue_length = {QUEUE_LENGTH}",
        "[providers.mock]",
        'dialect = "openai"',
        f'base_url = "http://{provider}/v1"',
        'api_key = "sk-bench"',
        "[deployments.model]",
        'provider = "mock"',
        'model = "model"',
        f"limits = {{ concurrent = {setting.places} }}",
    ]
    for tier, weight in WEIGHTS.items():
        lines += [f"[tiers.{tier}]", f"weight = {weight}"]
    for tenant, (tier, _) in TENANTS.items():
        digest = hashlib.sha256(key(tenant).encode()).hexdigest()
        lines += [f"[tenants.{tenant}]", f'tier = "{tier}"']
        lines += ["[[keys]]", f'digest = "sha256:{digest}"', f'tenant = "{tenant}"']
    return "\n".join(lines)


def encoded(tenant: str) -> bytes:
    """A tenant's request."""
    text = "Explain how a token bucket admits a burst and then settles to its rate. " * 8
    body = {"model": "model", "max_tokens": 50, "messages": [{"role": "user", "content": text}]}
    data = json.dumps(body).encode()
    lines = [
        "POST /v1/chat/completions HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {key(tenant)}",
        "Content-Type: application/json",
        f"Content-Length: {len(data)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + data


class Clients:
    """As many connections as are needed; one that is free is used again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.statuses: Counter[int] = Counter()
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def run(self, plan: Sequence[tuple[float, str]]) -> float:
        """Ask as planned and read every answer; how late the latest request was sent, in seconds."""
        requests = {tenant: encoded(tenant) for tenant in TENANTS}
        loop, late = asyncio.get_running_loop(), 0.0
        began = loop.time()
        async with asyncio.timeout(plan[-1][0] + DRAIN_SECONDS), asyncio.TaskGroup() as tasks:
            for at, tenant in plan:
                await asyncio.sleep(began + at - loop.time())
                late = max(late, loop.time() - began - at)
                tasks.create_task(self._ask(requests[tenant]))
        for _, writer in self._idle:
            writer.close()
        return late

    async def _ask(self, request: bytes) -> None:
        connection = self._idle.pop() if self._idle else await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = connection
        writer.write(request)
        reply = ReplyReader()
        while data := await reader.read(65_536):
            if reply.feed(data):
                break
        self.statuses[reply.finish().status] += 1
        self._idle.append(connection)


def wait_until_ready(gateway: Child, port: int) -> None:
    """Return once the gateway serves."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        gateway.check()
        try:
            if get(port, "/readyz").status == 200:
                return
        except OSError:
            pass
        if time.monotonic() > deadline:
            raise BenchError(f"the gateway is not ready after {START_SECONDS:g} s:\n{gateway.log_tail()}")
        time.sleep(0.01)


def run(setting: Setting, plan: Sequence[tuple[float, str]], bin_dir: Path) -> list[dict[str, Any]]:
    """A fresh gateway and provider under this load; the records of all requests."""
    mock = MockProvider(threads=1, record=False, latency_ms=setting.latency_ms, usage=USAGE)
    try:
        with tempfile.TemporaryDirectory(prefix="fastgate-bench-") as place:
            directory, port = Path(place), free_port()
            file = directory / "fastgate.toml"
            file.write_text(config(port, mock.address, setting, directory / "state"))
            cpus = sorted(os.sched_getaffinity(0))
            argv = [str(bin_dir / "fastgate"), "serve", "-c", str(file)]
            gateway = Child("gateway", argv, cpus=cpus, directory=directory)
            try:
                wait_until_ready(gateway, port)
                clients = Clients(port)
                late_s = asyncio.run(clients.run(plan))
            finally:
                gateway.stop()
            records = [
                json.loads(payload)
                for payloads, _ in SpoolReader(directory / "state" / "spool")
                for payload in payloads
            ]
        counts = mock.counts()
    finally:
        mock.stop()
    wrong = {status: count for status, count in clients.statuses.items() if status not in (200, 503)}
    if wrong or len(records) != len(plan):
        raise BenchError(f"{len(plan)} requests, {len(records)} records, other answers: {wrong}")
    if counts["in_flight_max"] > setting.places:
        raise BenchError(f"{counts['in_flight_max']} calls at once, {setting.places} are allowed")
    print(
        f"{len(plan)} requests, the latest sent {late_s * 1000:.0f} ms late; "
        f"{counts['requests']} calls, at most {counts['in_flight_max']} at once",
        file=sys.stderr,
    )
    return records


def within(records: Sequence[Mapping[str, Any]], setting: Setting) -> list[Mapping[str, Any]]:
    """Those that arrived after the first fifth, when the queues have filled."""
    first = min(record["started_unix_us"] for record in records)
    return [record for record in records if record["started_unix_us"] >= first + setting.seconds * 0.2e6]


def table(name: str, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """A row for each tier and tenant of a run."""
    tokens = group(records).tokens or 1
    rows = []
    tiers = {tier: [it for it in TENANTS if TENANTS[it][0] == tier] for tier in WEIGHTS}
    for who, members in [*tiers.items(), *((tenant, [tenant]) for tenant in TENANTS)]:
        one = group(record for record in records if record["tenant"] in members)
        if one.offered:
            waits = " | ".join(f"{one.wait_ms(share):.1f}" for share in (0.5, 0.99, 1.0))
            share = f"{one.tokens / tokens:.1%}"
            rows.append(
                f"| {name} | {who} | {one.offered} | {one.served} | {one.refused} | {share} | {waits} |"
            )
    return rows


def bound_ms(calm_ms: float, setting: Setting) -> float:
    """The longest p99 that is still what was promised."""
    return max(calm_ms * 1.1, calm_ms + setting.latency_ms)


def main() -> int:
    """Run both and print; exit 1 where the promise was broken or somebody who pays was refused."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    parser.add_argument("--places", type=int, default=8, help="calls at once (default %(default)s)")
    parser.add_argument("--latency-ms", type=int, default=100, help="of each call (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the arrivals (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="two seconds each: too short to quote")
    parser.add_argument("--bin-dir", type=Path, default=Path(sys.executable).parent, help="where fastgate is")
    given = parser.parse_args()
    seconds = 2.0 if given.quick else given.seconds
    setting = Setting(given.places, given.latency_ms, seconds, given.seed)
    try:
        calm, flooded = (
            within(run(setting, schedule(setting, is_flooded=flooded), given.bin_dir), setting)
            for flooded in (False, True)
        )
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{setting.places} places of {setting.latency_ms} ms: {setting.per_second:g} requests a second; "
        f"{setting.seconds:g} s each, the first fifth left out\n"
    )
    print("| run | who | offered | served | refused | share of tokens | wait p50 ms | p99 | max |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    print("\n".join([*table("calm", calm), *table("flood", flooded)]))
    before, after = (
        group(record for record in records if TENANTS[record["tenant"]][0] == "paid")
        for records in (calm, flooded)
    )
    limit_ms = bound_ms(before.wait_ms(0.99), setting)
    used = group(flooded).served / (setting.per_second * setting.seconds * 0.8)
    print(
        f"\nwho pays waits p99 {before.wait_ms(0.99):.1f} ms, in the flood {after.wait_ms(0.99):.1f} ms "
        f"(bound {limit_ms:.1f} ms); refused {after.refused}; capacity used in the flood {used:.1%}"
    )
    return int(after.wait_ms(0.99) > limit_ms or after.refused > 0)


if __name__ == "__main__":
    raise SystemExit(main())
