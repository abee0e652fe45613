"""Loading and asking, against a model that goes through every record."""

import json
import logging
import random
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.billing.ledger import model
from tests.billing.ledger.conftest import NOON_UNIX_S, US, Fill, Load, exchange
from tests.reference.spool import frame

from fastgate.billing.ledger import sessions
from fastgate.billing.ledger.check import check
from fastgate.billing.ledger.connection import ledger_file
from fastgate.billing.ledger.loading import Loader
from fastgate.billing.ledger.reading import Ledger
from fastgate.billing.ledger.schema import GRAINS, NAMED, LedgerError
from fastgate.billing.ledger.sqlite_store import LedgerInUse, SqliteStore
from fastgate.billing.ledger.summary import Point

DAY_S = 86_400
ALWAYS = (0, 10**10)
MONEY = st.one_of(
    st.integers(-5, 5), st.integers(-(2**63) + 1, 2**63 - 1), st.sampled_from([2**32, -(2**32), 2**62])
)
TEXT = st.sampled_from([None, "a", "b", "ü", "a'b\"; DROP TABLE names"])
TRIED = st.fixed_dictionaries(
    {"deployment": TEXT, "provider": TEXT, "reason": st.sampled_from(["overloaded", "timeout"])},
    optional={"usage": st.just({"input_tokens": 3}), "cost_pusd": MONEY},
)
# Some seconds around the end of a month, and within a few days of it.
STARTS = st.one_of(
    st.integers(0, 3 * 3600), st.integers(-5 * DAY_S, 40 * DAY_S), st.sampled_from([0, -1, 3600, DAY_S])
).map(lambda offset: 1_796_083_200 + offset)
NAMES: dict[str, Any] = dict.fromkeys((*NAMED[:10], "fault"), TEXT)
EXCHANGE = st.fixed_dictionaries(
    {
        "started": st.tuples(STARTS, st.sampled_from([0, 1, 999_999])),
        **NAMES,
        "outcome": st.sampled_from(["answered", "provider_error", "lost"]),
        "cost_pusd": st.one_of(st.none(), MONEY),
        "trail": st.lists(TRIED, max_size=2),
        "usage": st.sampled_from(
            [None, {"input_tokens": 7, "reasoning_tokens": 2**32}, {"output_tokens": 1}]
        ),
    },
    optional={
        "list_cost_pusd": MONEY,
        "saved_pusd": MONEY,
        "truncated": st.booleans(),
        "usage_estimated": st.booleans(),
        "prompt_hash": st.sampled_from(["0" * 16, "f" * 16, "0123456789abcdef"]),
    },
)


def record(number: int, drawn: dict[str, Any]) -> dict[str, Any]:
    drawn = dict(drawn)
    seconds, micros = drawn.pop("started")
    return {
        **exchange(number),
        **drawn,
        "started_unix_us": seconds * US + micros,
        "attempts": len(drawn["trail"]) + 1,
    }


@given(
    st.lists(EXCHANGE, max_size=25),
    st.lists(st.integers(0, 24), max_size=5),
    st.lists(st.sampled_from((*NAMED, *GRAINS)), max_size=3, unique=True),
    st.tuples(STARTS, st.integers(-5, 45 * DAY_S)),
    st.dictionaries(st.sampled_from(NAMED), st.lists(TEXT, max_size=2), max_size=2),
    st.integers(1, 1000),
)
def test_whatever_is_asked_the_answer_is_the_models(
    tmp_path_factory: pytest.TempPathFactory,
    drawn: list[dict[str, Any]],
    again: list[int],
    by: list[Any],
    time: tuple[int, int],
    where: dict[Any, list[str | None]],
    split: int,
) -> None:
    state = tmp_path_factory.mktemp("state")
    (state / "spool").mkdir()
    records = [record(number, one) for number, one in enumerate(drawn)]
    replayed = records + [records[number] for number in again if number < len(records)]
    data = b"".join(frame(json.dumps(one).encode()) for one in replayed)
    segment = state / "spool" / "1-1-0-0.open"
    with SqliteStore(state) as store:
        loader = Loader(state / "spool", store)
        for size in (split % (len(data) + 1), len(data)):
            segment.write_bytes(data[:size])
            loader.load()
    since, until = time[0], time[0] + time[1]
    with Ledger.open(state) as ledger:
        for start, end in ((since, until), ALWAYS):
            expected = model.summary(model.events(records), by, start, end, where)
            found = {summary.group: summary for summary in ledger.summary(by, start, end, where)}
            assert found.keys() == expected.keys()
            for group, sums in expected.items():
                counted = sums.pop("sessions")
                assert {name: getattr(found[group], name) for name in sums} == sums
                assert found[group].sessions in {counted, None}
            spent = ledger.spending(by, start, end, where)
            assert [summary.spending() for summary in found.values()] == spent
            if not by and found:
                assert ledger.session_count(start, end, where)[0] == found[()].sessions
            assert all(summary.sessions is not None for summary in found.values()) or {*by, *where} & {
                *("provider_model", "operation", "outcome", "fault")
            }
    assert check(state).differences == []


def test_sums_of_money_are_exact_beyond_64_bits(fill: Fill, load: Load, state: Path) -> None:
    fill([exchange(number, cost_pusd=2**63 - 1) for number in range(9)])
    load()
    with Ledger.open(state) as ledger:
        for by in ((), ("tenant",), ("operation",)):
            (summary,) = ledger.summary(by, *ALWAYS)
            assert summary.cost_pusd == 9 * (2**63 - 1)
    assert check(state).differences == []


def test_what_is_loaded_again_has_no_effect(fill: Fill, load: Load, state: Path) -> None:
    records = [exchange(number) for number in range(10)]
    fill(records)
    assert (load().events, load().records) == (10, 0)
    fill(records, name="2000-1-0-000000.spool")
    again = load()
    assert (again.records, again.events, again.repeated) == (10, 0, 10)
    with Ledger.open(state) as ledger:
        (summary,) = ledger.summary((), *ALWAYS)
    assert (summary.requests, summary.cost_pusd) == (10, 10_000)
    assert check(state).differences == []


def test_a_segment_is_followed_through_its_names(fill: Fill, load: Load, state: Path) -> None:
    data = fill([exchange(1), exchange(2)], name="1000-1-0-000000.open")
    assert load().events == 2
    fill([exchange(1), exchange(2), exchange(3)], name="1000-1-0-000000.open")
    assert load().events == 1
    (state / "spool" / "1000-1-0-000000.open").rename(state / "spool" / "1000-1-0-000000.spool")
    assert load().records == 0
    with SqliteStore(state) as store:
        position = store.positions()["1000-1-0-000000"]
    assert (position.offset, position.records, position.is_done) == (len(data) // 2 * 3, 3, True)


def test_damage_and_what_is_not_understood_are_reported_and_loading_goes_on(
    fill: Fill, load: Load, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytearray(
        fill([exchange(1), exchange(2), {"v": 2}, {"v": 1, "type": "invoice"}, exchange(3), exchange(4)])
    )
    data[30] ^= 1
    (state / "spool" / "1000-1-0-000000.spool").write_bytes(data[:-5])
    with caplog.at_level(logging.WARNING):
        loaded = load()
    assert (loaded.records, loaded.events, loaded.skipped, loaded.problems) == (4, 2, 2, 2)
    assert "version 2" in caplog.text
    assert "damaged payload" in caplog.text
    report = check(state)
    assert report.differences == []
    assert "1 records can't be loaded: unknown type" in report.notes
    assert any("2 damaged places" in note for note in report.notes)


def test_reservations_are_settled_by_their_exchange_in_any_order(fill: Fill, load: Load, state: Path) -> None:
    def reserved(number: int) -> dict[str, Any]:
        names = {"id": f"fgr_{number:024x}", "started_unix_us": NOON_UNIX_S * US, "tenant": "acme"}
        return {"v": 1, "type": "reservation", **names, "cost_pusd": 7}

    fill([reserved(1), exchange(1), reserved(2), reserved(3), reserved(3)])
    load()
    fill([exchange(2), exchange(4)], name="2000-1-0-000000.spool")
    load()
    fill([reserved(4), reserved(1)], name="3000-1-0-000000.spool")
    load()
    (difference,) = check(state).differences
    assert "1 reservations of 7 picodollars are not settled" in difference
    fill([exchange(3, outcome="lost", usage_estimated=True)], name="4000-1-0-000000.spool")
    load()
    assert check(state).differences == []


def test_a_prompt_is_repeated_within_its_tenant_and_day(fill: Fill, load: Load, state: Path) -> None:
    same = {"prompt_hash": "00000000000000ff"}
    tomorrow = (NOON_UNIX_S + DAY_S) * US
    fill([exchange(1, **same), exchange(2, **same), exchange(3, **same, tenant="other"), exchange(4)])
    load()
    fill(
        [exchange(5, **same, cost_pusd=9), exchange(6, **same, started_unix_us=tomorrow)],
        name="2000-1-0-000000.spool",
    )
    load()
    with Ledger.open(state) as ledger:
        (summary,) = ledger.summary((), *ALWAYS)
    assert (summary.repeated_requests, summary.repeated_cost_pusd) == (2, 1009)


def test_many_sessions_are_estimated_and_few_are_counted(
    fill: Fill, load: Load, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(1)
    fill([exchange(number, session=f"{chance.getrandbits(64):x}") for number in range(6000)])
    load()
    with Ledger.open(state) as ledger:
        (exact,) = ledger.summary((), *ALWAYS)
        assert (exact.sessions, exact.is_sessions_estimated) == (6000, False)
        monkeypatch.setattr(sessions, "ROWS_READ", 1500)
        (estimate,) = ledger.summary((), *ALWAYS)
    assert estimate.is_sessions_estimated
    assert estimate.sessions is not None
    assert abs(estimate.sessions - 6000) < 600
    assert estimate.cost_pusd == exact.cost_pusd


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/Sao_Paulo"])
@pytest.mark.parametrize("step", GRAINS)
def test_a_series_has_the_steps_of_its_zone(
    step: Any, zone: str, fill: Fill, load: Load, state: Path
) -> None:
    place = ZoneInfo(zone)
    # Over the end of a summer in Berlin, every 50 minutes.
    starts = [1_792_800_000 + number * 3000 for number in range(200)]
    fill([exchange(number, started_unix_us=start * US) for number, start in enumerate(starts)])
    load()
    with Ledger.open(state) as ledger:
        points = ledger.series(("tenant",), step, starts[0], starts[-1] + 1, zone=place)
        spent = ledger.spending_series(("tenant",), step, starts[0], starts[-1] + 1, zone=place)
    expected = dict[str, int]()
    shown = {"hour": "%Y-%m-%d %H %z", "day": "%Y-%m-%d", "month": "%Y-%m"}[step]
    for start in starts:
        label = datetime.fromtimestamp(start, place).strftime(shown)
        expected[label] = expected.get(label, 0) + 1
    found = {
        datetime.fromtimestamp(point.start_unix_s, place).strftime(shown): point.summary.requests
        for point in points
    }
    assert found == expected
    assert all(point.summary.group == ("acme",) for point in points)
    assert spent == [Point(point.start_unix_s, point.summary.spending()) for point in points]


def test_a_clock_that_jumps_only_moves_events(fill: Fill, load: Load, state: Path) -> None:
    starts = [0, 4_000_000_000 * US, NOON_UNIX_S * US, 1]
    fill([exchange(number, started_unix_us=start) for number, start in enumerate(starts)])
    load()
    with Ledger.open(state) as ledger:
        assert ledger.span() == (0, 4_000_000_000 * US)
        assert [summary.group[0] for summary in ledger.summary(("month",), *ALWAYS)] == [
            *("1970-01", "2026-11", "2096-10")
        ]
    assert check(state).differences == []


def test_questions_that_can_not_be_asked(fill: Fill, load: Load, state: Path) -> None:
    with pytest.raises(LedgerError, match="there is no ledger"):
        Ledger.open(state)
    fill([])
    load()
    with Ledger.open(state) as ledger:
        assert ledger.summary(("tenant",), *ALWAYS) == []
        assert ledger.span() is None
        with pytest.raises(ValueError, match="no dimension 'colour'"):
            ledger.summary(("colour",), *ALWAYS)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="no condition on 'day'"):
            ledger.summary((), *ALWAYS, {"day": ["2026-11-15"]})
    with pytest.raises(ValueError, match="only the loader writes"):
        Ledger.open(state, read_only=False)


def test_two_loaders_do_not_meet(state: Path) -> None:
    with SqliteStore(state), pytest.raises(LedgerInUse, match="loaded by another process"):
        SqliteStore(state)
    SqliteStore(state).close()


def test_files_that_are_no_ledger_of_ours_are_refused(state: Path) -> None:
    SqliteStore(state).close()
    file = ledger_file(state)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for use in (SqliteStore, Ledger.open):
        with pytest.raises(LedgerError, match="format 99, this fastgate knows 1"):
            use(state)
    file.unlink()
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    with pytest.raises(LedgerError, match="no ledger of fastgate's"):
        SqliteStore(state)
    file.write_bytes(b"nonsense" * 1000)
    for use in (SqliteStore, Ledger.open):
        with pytest.raises(LedgerError, match=r"damaged .* `fastgate ledger rebuild`"):
            use(state)
