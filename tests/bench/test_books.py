"""The audit of a gateway's records, on spools and numbers of our own."""

import json
from pathlib import Path

import msgspec
import pytest
from bench.books import Audit, Entries, count, damage
from bench.metrics import median_us, parse
from bench.payload import INPUT_PUSD, OUTPUT_PUSD

from tests.reference.spool import frame

COST_PUSD = 256 * INPUT_PUSD + 5 * OUTPUT_PUSD


def record(number: int, **changes: object) -> bytes:
    document = {
        "id": f"fgr_{number}",
        "started_unix_us": 1000 + number,
        "attempts": 1,
        "outcome": "answered",
        "usage": {"input_tokens": 256, "output_tokens": 5},
        "usage_estimated": False,
        "cost_pusd": COST_PUSD,
        "operation": "chat",
    }
    return json.dumps({**document, **changes}).encode()


def audit(payloads: list[bytes], *, replies: int, sent: int, received: int) -> Audit:
    return Audit(count(payloads, 0), replies, sent, received)


def test_one_record_for_each_request_is_right() -> None:
    found = audit([record(1), record(2)], replies=2, sent=2, received=2)
    assert (found.errors, found.problem) == (0, None)


def test_requests_cut_off_may_have_either_outcome_or_none() -> None:
    gone = record(3, outcome="client_gone", usage=None, cost_pusd=None)
    for payloads in ([record(1), record(2)], [record(1), record(2), gone], [record(1), record(2), record(3)]):
        assert audit(payloads, replies=2, sent=4, received=2).errors == 0


def test_what_is_no_exchange_is_not_counted() -> None:
    fields = {"type": "reservation", "id": "fgr_1", "started_unix_us": 1001, "cost_pusd": 1}
    held = json.dumps(fields).encode()
    assert audit([held, record(1), record(2)], replies=2, sent=2, received=2).errors == 0
    with pytest.raises(msgspec.ValidationError):
        count([b'{"id": "fgr_1"}'], 0)


@pytest.mark.parametrize(
    ("payloads", "what"),
    [
        ([record(1)], "unrecorded"),
        ([record(1), record(2, outcome="client_gone")], "unrecorded"),
        ([record(1), record(2, attempts=0)], "unrecorded"),
        ([record(1), record(2), record(3)], "surplus"),
        ([record(1), record(1)], "surplus"),
        ([record(1), record(2), record(3, outcome="panicked")], "unsettled"),
    ],
)
def test_a_record_missing_doubled_or_odd_is_an_error(payloads: list[bytes], what: str) -> None:
    found = audit(payloads, replies=2, sent=2, received=2)
    assert getattr(found, what) > 0
    assert found.problem is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"usage": None},
        {"usage_estimated": True},
        {"usage": {"input_tokens": 256, "output_tokens": 0}},
        {"cost_pusd": None},
        {"cost_pusd": COST_PUSD + 1},
    ],
)
def test_an_answer_needs_usage_and_the_right_cost(changes: dict[str, object]) -> None:
    found = audit([record(1), record(2, **changes)], replies=2, sent=2, received=2)
    assert (found.entries.incomplete, found.errors) == (1, 1)


def test_what_began_before_is_not_counted() -> None:
    assert count([record(1), record(2), record(3)], 1002) == Entries(2, 2, 0, 2, 0, 0)


def test_a_spool_with_an_id_twice_is_damaged(tmp_path: Path) -> None:
    segment = tmp_path / "0000000000001-1-0-000000.spool"
    segment.write_bytes(frame(record(1)) + frame(record(2)))
    assert damage(tmp_path) is None
    segment.write_bytes(frame(record(1)) + frame(record(1)))
    assert "1 duplicates" in (damage(tmp_path) or "")


def test_the_median_of_policy_is_of_what_came_between() -> None:
    text = "".join(
        f'fastgate_policy_microseconds_bucket{{le="{bound}"}} {seen}\n'
        for bound, seen in [("1", 10), ("2", 30), ("4", 50), ("+Inf", 50)]
    )
    after = parse(text)
    assert after == {1.0: 10, 2.0: 30, 4.0: 50, float("inf"): 50}
    assert median_us({}, after) == 1.75
    assert median_us({1.0: 10, 2.0: 30, 4.0: 30, float("inf"): 30}, after) == 3.0
    assert median_us(after, after) is None
    assert median_us({}, {1.0: 0, float("inf"): 5}) is None
