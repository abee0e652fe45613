"""What a run of `bench.money` takes place in: a provider, a gateway that may be killed, and their accounts.

Each model's name tells the mock provider what to bill, so its record of requests is its bill.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.http1 import get
from bench.processes import BenchError, Child, free_port
from bench.spenders import Spenders, Told
from fastgate._core import MockProvider, SpoolReader

KEY = "fg_bench_money_0123456789abcdefghijklmnopqrstuv"
MAX_TOKENS = 200
# Picodollars a token.
INPUT_PUSD, OUTPUT_PUSD = 100_000, 2_000_000
LONGEST_BODY_BYTES = 220
LATENCY_MS = "uniform(30,150)"
CHUNKS = 3
CONTENT = "several words that answer what was asked"
START_SECONDS, POLL_SECONDS = 20.0, 0.02


@dataclass(frozen=True)
class Bill:
    """What a model bills for each request; nothing reported means a token a piece of content."""

    input_tokens: int
    output_tokens: int
    is_reported: bool = True

    def cost_pusd(self) -> int:
        """In picodollars."""
        return self.input_tokens * INPUT_PUSD + self.output_tokens * OUTPUT_PUSD


PROFILES: dict[str, tuple[Bill, ...]] = {
    # Up to all of what was asked for.
    "as_reserved": (Bill(40, 80), Bill(40, 120), Bill(40, 160), Bill(40, 200)),
    "less": (Bill(10, 10), Bill(10, 20), Bill(10, 30), Bill(10, 40)),
    # Half of them more than `max_tokens`, which a vendor must not.
    "more": (Bill(40, 120), Bill(40, 160), Bill(40, 240), Bill(40, 300)),
    "nothing": (Bill(30, CHUNKS, is_reported=False),),
}
# What the gateway makes of an answer that reports nothing: a token for four bytes of it.
ESTIMATED = Bill(40, 60)


def mean_pusd(profile: str) -> int:
    """What a request of a profile costs on average, as it is booked."""
    bills = [ESTIMATED if not bill.is_reported else bill for bill in PROFILES[profile]]
    return sum(bill.cost_pusd() for bill in bills) // len(bills)


def mean_tokens(profile: str) -> int:
    """The same in tokens."""
    bills = PROFILES[profile]
    return sum(bill.input_tokens + bill.output_tokens for bill in bills) // len(bills)


def bound_pusd() -> int:
    """The most that a request is held for."""
    return LONGEST_BODY_BYTES * INPUT_PUSD + MAX_TOKENS * OUTPUT_PUSD


def excess(profile: str) -> tuple[int, int]:
    """What a request is billed at most beyond its reservation, in picodollars and in tokens."""
    dearest = max(bill.cost_pusd() for bill in PROFILES[profile])
    longest = max(bill.output_tokens for bill in PROFILES[profile])
    return max(0, dearest - MAX_TOKENS * OUTPUT_PUSD), max(0, longest - MAX_TOKENS)


@dataclass
class Bills:
    """The provider's account."""

    cost_pusd: int = 0
    tokens: int = 0
    arrived: list[float] = field(default_factory=list)
    """When it was asked, Unix seconds."""


@dataclass
class Books:
    """The gateway's account, by its spool and its ledger."""

    cost_pusd: int = 0
    tokens: int = 0
    attempted: int = 0
    excess_pusd: int = 0
    excess_tokens: int = 0
    lost: int = 0
    lost_twice: int = 0
    ledger_pusd: int = 0


@dataclass(frozen=True)
class Standing:
    """What the admin listener says of the limit, in picodollars or units."""

    used: int
    reserved: int


class Site:
    """A provider and a gateway; ended with the block."""

    def __init__(self, directory: Path, limit: str, *, seed: int) -> None:
        self.key = KEY
        self.port, self._admin = free_port(), free_port()
        self._directory, self._limit = directory, limit
        defaults = {"content": CONTENT, "chunks": CHUNKS, "latency_ms": LATENCY_MS}
        self._mock = MockProvider(seed=seed, script=json.dumps({"defaults": defaults}))
        self._config = directory / "fastgate.toml"
        self._gateway: Child | None = None

    def __enter__(self) -> Self:
        self._config.write_text(self._text())
        self.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._gateway is not None:
            self._gateway.stop()
        self._mock.stop()

    def models(self, profile: str) -> list[str]:
        """Names of a profile's models."""
        return [f"{profile}-{number}" for number in range(len(PROFILES[profile]))]

    def _text(self) -> str:
        tables = []
        for profile, bills in PROFILES.items():
            for name, bill in zip(self.models(profile), bills, strict=True):
                usage = (
                    f"usage.prompt_tokens={bill.input_tokens};usage.completion_tokens={bill.output_tokens}"
                )
                fault = usage if bill.is_reported else "omit=usage"
                tables.append(
                    f'[deployments.{name}]\nprovider = "mock"\nmodel = "{name}@mock-fault:{fault}"\n'
                    f"[prices.{name}]\ninput = {INPUT_PUSD / 10**6}\noutput = {OUTPUT_PUSD / 10**6}\n"
                )
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        return "\n".join(
            [
                f'[server]\nlisten = "127.0.0.1:{self.port}"\nadmin = "127.0.0.1:{self._admin}"',
                f'state_dir = "{self._directory / "state"}"',
                # What is measured is the limit; nothing else may say no.
                "[resilience]\nretries = 0\nadaptive_concurrency = false",
                "breaker = { failures = 1000, success_share = 0 }",
                f'[providers.mock]\ndialect = "openai"\nbase_url = "http://{self._mock.address}/v1"',
                *tables,
                f'[tenants.spender]\nlimits = [{{ name = "the limit", {self._limit} }}]',
                f'[[keys]]\ndigest = "sha256:{digest}"\ntenant = "spender"\n',
            ]
        )

    def start(self) -> None:
        """Start the gateway and wait until it answers."""
        argv = [str(Path(sys.executable).parent / "fastgate"), "serve", "-c", str(self._config)]
        self._gateway = Child(
            "gateway", argv, cpus=sorted(os.sched_getaffinity(0)), directory=self._directory
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._gateway.check()
            try:
                if get(self.port, "/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(POLL_SECONDS)
        raise BenchError(f"the gateway is not ready after {START_SECONDS} s:\n{self._gateway.log_tail()}")

    def kill(self) -> None:
        """End it without a word."""
        assert self._gateway is not None
        os.kill(self._gateway.pid, signal.SIGKILL)
        self._gateway.stop()

    def spend(self, spenders: Spenders, *, kill_after: int | None) -> tuple[Told, float]:
        """Let the clients spend; kill and restart the gateway once the provider has been asked so often."""
        began = time.monotonic()

        async def run() -> Told:
            spending = asyncio.create_task(spenders.spend())
            if kill_after is not None:
                await asyncio.to_thread(self._restart_after, kill_after)
            return await spending

        return asyncio.run(run()), time.monotonic() - began

    def _restart_after(self, requests: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        # With as many as ever under way, and not between two waves of them.
        while (counts := self._mock.counts())["requests"] < requests or not counts["in_flight"]:
            if time.monotonic() > deadline:
                raise BenchError(f"the provider was not asked {requests} times in {START_SECONDS} s")
            time.sleep(POLL_SECONDS / 10)
        self.kill()
        self.start()

    def wait_until_quiet(self) -> None:
        """Wait until nothing is under way at the provider."""
        if not self._mock.wait(in_flight=0, timeout_s=START_SECONDS):
            raise BenchError(f"{self._mock.counts()['in_flight']} calls are under way and do not end")

    def standing(self) -> Standing:
        """How the limit stands, once nothing is held any more; as it is if that does not come."""
        deadline = time.monotonic() + START_SECONDS / 4
        while True:
            (found,) = json.loads(get(self._admin, "/admin/limits").body)["limits"]
            used, reserved = (_units(found[name]) for name in ("used", "reserved"))
            if not reserved or time.monotonic() > deadline:
                return Standing(used, reserved)
            time.sleep(POLL_SECONDS)

    def bills(self) -> Bills:
        """What the provider has on record.

        Raises:
            BenchError: It was asked more often than it remembers.
        """
        found, requests = Bills(), self._mock.requests()
        if len(requests) != self._mock.counts()["requests"]:
            raise BenchError("the mock provider has forgotten requests: too many for one run")
        for request in requests:
            profile, _, number = json.loads(request["body"])["model"].partition("@")[0].rpartition("-")
            bill = PROFILES[profile][int(number)]
            found.cost_pusd += bill.cost_pusd()
            found.tokens += bill.input_tokens + bill.output_tokens
            found.arrived.append(request["at"])
        return found

    def books(self) -> Books:
        """What the gateway has on record: ends it, and loads its ledger."""
        from fastgate.billing.ledger import Ledger
        from fastgate.billing.ledger.loading import Loader
        from fastgate.billing.ledger.sqlite_store import SqliteStore

        assert self._gateway is not None
        self._gateway.stop()
        state_dir = self._directory / "state"
        records = [
            json.loads(payload)
            for payloads, problems in SpoolReader(state_dir / "spool")
            for payload in payloads
        ]
        found = count(records)
        with SqliteStore(state_dir) as store:
            Loader(state_dir / "spool", store).load()
        with Ledger.open(state_dir) as ledger:
            found.ledger_pusd = sum(group.cost_pusd for group in ledger.summary([], 0, 2**33))
        return found


def count(records: list[dict[str, Any]]) -> Books:
    """Add up what records of exchanges and reservations say."""
    reserved = {record["id"]: record for record in records if record.get("type") == "reservation"}
    exchanges = [record for record in records if "type" not in record]
    found = Books()
    for record in exchanges:
        usage = record["usage"] or {}
        tokens = sum(usage.values())
        found.cost_pusd += record["cost_pusd"]
        found.tokens += tokens
        found.attempted += int(record["attempts"] > 0)
        found.lost += int(record["outcome"] == "lost")
        if (held := reserved.get(record["id"])) is not None:
            found.excess_pusd += max(0, record["cost_pusd"] - held["cost_pusd"])
            found.excess_tokens += max(0, tokens - held["input_tokens"] - held["output_tokens"])
    found.lost_twice = sum(times > 1 for times in Counter(record["id"] for record in exchanges).values())
    return found


def _units(written: int | str) -> int:
    """Money in picodollars from its text, a count as it is."""
    if isinstance(written, int):
        return written
    whole, _, part = written.partition(".")
    return int(whole) * 10**12 + int(part.ljust(12, "0"))
