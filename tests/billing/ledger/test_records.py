"""Records, and the events they become."""

import json
from typing import Any

import pytest

from fastgate.billing.ledger.records import (
    TOKENS_MAX,
    Correction,
    Exchange,
    Reservation,
    Skipped,
    correction_row,
    decode,
    prompt_of,
    rows,
)
from fastgate.billing.ledger.schema import EVENT_COLUMNS


class Ids(dict[str | None, int]):
    def __missing__(self, text: str | None) -> int:
        self[text] = len(self)
        return self[text]

    def text(self, number: Any) -> str | None:
        return next(text for text, found in self.items() if found == number)


def read(**fields: Any) -> Any:
    return decode(json.dumps({"v": 1, "id": "fgr_1", "started_unix_us": 5, **fields}).encode())


def events(record: Exchange, ids: Ids) -> list[dict[str, Any]]:
    return [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows(record, ids, 7, is_repeat=False)]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b'{"v":2,"id":"a","started_unix_us":1}', "version 2"),
        (b'{"v":2,"type":"reservation","renamed":1}', "version 2"),
        (b'{"v":1,"id":"a","started_unix_us":1,"type":"invoice"}', "unknown type"),
        (b'{"v":1,"type":"invoice"}', "unknown type"),
        (b'{"v":1,"id":"a"}', "malformed"),
        (b'{"v":1,"id":"a","started_unix_us":-1}', "malformed"),
        (b'{"v":1,"id":"a","started_unix_us":99999999999999999}', "malformed"),
        (b'{"v":1,"id":"a","started_unix_us":1,"cost_pusd":9223372036854775808}', "malformed"),
        (b'{"v":1,"id":"a","started_unix_us":1,"cost_pusd":1.5}', "malformed"),
        (b'{"v":1,"id":"a","started_unix_us":1,"usage":{"input_tokens":-1}}', "malformed"),
        (b'{"v":1,"type":"correction","id":"a","started_unix_us":1,"corrects":"b/0"}', "malformed"),
        (b"[]", "malformed"),
        (b"{", "malformed"),
        (b"\xc3\x28", "malformed"),
        (b'{"v":0,"id":"a","started_unix_us":1}', "malformed"),
    ],
)
def test_what_is_not_understood_is_never_half_loaded(payload: bytes, why: str) -> None:
    with pytest.raises(Skipped) as skipped:
        decode(payload)
    assert str(skipped.value) == why


def test_types_of_records() -> None:
    assert isinstance(read(unknown_field={"a": 1}), Exchange)
    assert isinstance(read(type="reservation", cost_pusd=5), Reservation)
    assert isinstance(read(type="correction", corrects="fgr_0/0", cost_pusd=-5), Correction)


def test_each_attempt_is_an_event() -> None:
    ids = Ids({None: 0})
    record = read(
        attempts=2,
        deployment="us",
        outcome="answered",
        trail=[
            {"deployment": "eu", "provider": "openai", "reason": "overloaded", "status": 503, "us": 9},
            {"deployment": "eu", "reason": "drill"},
        ],
        usage={"output_tokens": 3},
        cost_pusd=70,
        trace_id="0af7651916cd43dd8448eb211c80319c",
        tags={"team": "search"},
    )
    first, drilled, final = events(record, ids)
    assert [event["attempt"] for event in (first, drilled, final)] == [0, 1, 2]
    assert [event["is_final"] for event in (first, drilled, final)] == [0, 0, 1]
    assert [event["calls"] for event in (first, drilled, final)] == [1, 0, 1]
    assert [event["cost_pusd"] for event in (first, drilled, final)] == [0, 0, 70]
    assert [ids.text(event["deployment"]) for event in (first, drilled, final)] == ["eu", "eu", "us"]
    assert (ids.text(first["outcome"]), ids.text(first["reason"])) == ("attempt_failed", "overloaded")
    assert (first["status"], first["total_us"], first["output_tokens"]) == (503, 9, 0)
    assert (final["output_tokens"], final["trace_id"].hex()) == (3, "0af7651916cd43dd8448eb211c80319c")
    assert json.loads(final["tags"]) == {"team": "search"}


def test_a_billed_attempt_costs_and_one_of_unknown_price_is_unknown() -> None:
    billed, unknown, _ = events(
        read(
            trail=[
                {"deployment": "a", "usage": {"input_tokens": 5}, "cost_pusd": 9, "list_cost_pusd": 10},
                {"deployment": "a", "usage": {"input_tokens": 5}},
            ]
        ),
        Ids({None: 0}),
    )
    assert (billed["cost_pusd"], billed["list_cost_pusd"], billed["input_tokens"]) == (9, 10, 5)
    assert unknown["cost_pusd"] is None


def test_calls_that_all_failed_are_counted_once() -> None:
    found = events(read(attempts=2, trail=[{"reason": "a"}, {"reason": "b"}], outcome="x"), Ids({None: 0}))
    assert [event["calls"] for event in found] == [1, 1, 0]
    # A connection that broke was replaced: a call without an entry of its own.
    found = events(read(attempts=3, trail=[{"reason": "a"}]), Ids({None: 0}))
    assert [event["calls"] for event in found] == [1, 2]


def test_absurd_counts_can_not_overflow_a_sum() -> None:
    (event,) = events(read(usage={"input_tokens": 2**70, "output_tokens": 5}), Ids({None: 0}))
    assert (event["input_tokens"], event["output_tokens"]) == (TOKENS_MAX, 5)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("00000000000000ff", 255),
        ("ffffffffffffffff", -1),
        ("8000000000000000", -(2**63)),
        ("-00000000000000f", None),
        ("zzzzzzzzzzzzzzzz", None),
        ("ff", None),
    ],
)
def test_a_prompts_hash_is_sqlites_integer(text: str, number: int | None) -> None:
    record = read(prompt_hash=text)
    assert record.prompt == number
    assert (prompt_of(record, 3) is None) == (number is None)


def test_tenants_do_not_share_prompts() -> None:
    record = read(prompt_hash="00000000000000ff")
    assert prompt_of(record, 1) != prompt_of(record, 2)


def test_a_correction_has_the_names_of_what_it_corrects() -> None:
    ids = Ids({None: 0})
    record = read(type="correction", corrects="fgr_0/0", cost_pusd=-5, reason="refund", feature="search")
    event = dict(zip(EVENT_COLUMNS, correction_row(record, ids, 1), strict=True))
    assert (event["cost_pusd"], event["is_correction"], event["is_final"], event["calls"]) == (-5, 1, 0, 0)
    assert (ids.text(event["feature"]), ids.text(event["reason"])) == ("search", "refund")
    assert event["corrects"] == "fgr_0/0"
