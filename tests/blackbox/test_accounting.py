"""However an exchange ends, exactly one record says what it was and what it cost, over every door."""

import random
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from tests.blackbox.conftest import Start
from tests.blackbox.endings import ENDINGS, Told, bring_about, check, priced, script
from tests.blackbox.gateway import Gateway, fetch, running
from tests.blackbox.records import all_records
from tests.blackbox.upstream import Upstream
from tests.blackbox.waiting import until

THREADS = 8
ROUNDS = 5
SAMPLE = re.compile(r"^(fastgate_\w+?)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def accounted(door: str, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a deployment for each ending."""
    with running(door, tmp_path_factory.mktemp("accounts"), priced(provider.base_url)) as gateway:
        yield gateway


def is_of(record: dict[str, Any], told: Told) -> bool:
    """Only who waited for an answer knows its id; all others are told by the session they named."""
    return bool(record["id"] == told.request_id or record["session"] == told.user)


@pytest.mark.parametrize("name", ENDINGS)
def test_an_ending_leaves_its_record(accounted: Gateway, upstream: Upstream, name: str) -> None:
    script(upstream)
    told = bring_about(accounted, upstream, name, f"only-{name}")

    def records() -> list[dict[str, Any]]:
        return [record for record in all_records(accounted) if is_of(record, told)]

    until(records, "a record")
    # Whatever the exchange before may still write is written before the next one's record.
    after = bring_about(accounted, upstream, "json", f"after-{name}")
    until(lambda: any(is_of(record, after) for record in all_records(accounted)), "the next record")
    (record,) = records()
    check(record, told)
    if name == "stream":
        assert b'"usage"' not in told.body
        assert b'"include_usage":true' in upstream.seen()[0].body


def test_the_books_balance_under_load(door: str, start: Start, upstream: Upstream) -> None:
    script(upstream)
    gateway = start(door, priced(upstream.base_url))
    names = [name for name in ENDINGS for _ in range(ROUNDS)]
    random.Random(len(names)).shuffle(names)
    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [
            pool.submit(bring_about, gateway, upstream, name, f"user-{number}")
            for number, name in enumerate(names)
        ]
        told = [job.result() for job in jobs]
    until(lambda: len(all_records(gateway)) >= len(names), "a record of each")
    told.append(bring_about(gateway, upstream, "json", "the-last"))
    until(lambda: len(all_records(gateway)) >= len(told), "the last record")

    records = all_records(gateway)
    assert len(records) == len(told)
    assert len({record["id"] for record in records}) == len(records)
    for one in told:
        (record,) = [record for record in records if is_of(record, one)]
        check(record, one)
    # A kept connection that dies before any answer is replaced silently: a reset may be asked for twice.
    asked = upstream.mock.counts()["requests"]
    attempts = sum(record["attempts"] for record in records if record["provider"] == "upstream")
    assert attempts <= asked <= attempts + ROUNDS
    if door == "native":
        compare_with_metrics(gateway, records)


def compare_with_metrics(gateway: Gateway, records: list[dict[str, Any]]) -> None:
    """Two accounts of the same exchanges, counted apart from each other."""
    page = fetch(gateway.admin_port, "GET", "/metrics").body.decode()
    samples = [
        (name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), Decimal(value))
        for name, labels, value in SAMPLE.findall(page)
    ]

    def totals(metric: str, *labels: str) -> dict[tuple[str, ...], Decimal]:
        sums: Counter[tuple[str, ...]] = Counter()
        for name, found, value in samples:
            if name == metric and value:
                sums[tuple(found[label] for label in labels)] += value  # type: ignore[assignment]
        return dict(sums)  # type: ignore[arg-type]

    count = len(records)
    assert totals("fastgate_exchanges_started_total") == {(): count}
    assert totals("fastgate_exchanges_in_flight") == {}
    assert totals("fastgate_spool_records_total") == {(): count}
    assert totals("fastgate_spool_alarm") == totals("fastgate_spool_write_failures_total") == {}
    by_outcome = Counter((record["outcome"], record["fault"]) for record in records)
    assert totals("fastgate_exchanges_settled_total", "outcome", "fault") == by_outcome
    of_deployment = Counter((record["deployment"] or "none", record["fault"]) for record in records)
    assert totals("fastgate_exchanges_total", "deployment", "fault") == of_deployment
    tokens: Counter[tuple[str, str]] = Counter()
    cost: Counter[tuple[str]] = Counter()
    estimated: Counter[tuple[str]] = Counter()
    for record in records:
        deployment = record["deployment"] or "none"
        for name, tokens_of_class in (record["usage"] or {}).items():
            tokens[deployment, name.removesuffix("_tokens")] += tokens_of_class
        tried = sum(attempt.get("cost_pusd") or 0 for attempt in record.get("trail", []))
        cost[(deployment,)] += record["cost_pusd"] + tried
        # Tokens of attempts that came to nothing are in the record's trail only.
        estimated[(deployment,)] += record["usage_estimated"] and record["usage"] is not None
    assert totals("fastgate_tokens_total", "deployment", "class") == +tokens
    usd = {whose: Decimal(pusd).scaleb(-12) for whose, pusd in (+cost).items()}
    assert totals("fastgate_cost_usd_total", "deployment") == usd
    assert totals("fastgate_usage_estimated_total", "deployment") == +estimated
