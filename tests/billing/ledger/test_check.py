"""`check` finds whatever is changed."""

import sqlite3
from pathlib import Path

import pytest
from tests.billing.ledger.conftest import Fill, Load, exchange

from fastgate.billing.ledger.check import check
from fastgate.billing.ledger.connection import ledger_file
from fastgate.billing.ledger.schema import rollup_tables
from fastgate.state_lock import StateLock

TRIED = {"deployment": "gpt-eu", "provider": "openai", "reason": "overloaded"}


@pytest.fixture
def loaded(fill: Fill, load: Load, state: Path) -> Path:
    fill([exchange(1, session="s"), exchange(2, trail=[TRIED], attempts=2)])
    fill([exchange(3)], name="2000-1-0-000000.open")
    load()
    report = check(state)
    assert (report.events, report.spooled_events, report.differences, report.notes) == (4, 4, [], [])
    return state


def change(state: Path, statement: str) -> list[str]:
    connection = sqlite3.connect(ledger_file(state))
    with connection:
        changed = connection.execute(statement).rowcount
    connection.close()
    assert changed, "nothing was changed"
    return check(state).differences


@pytest.mark.parametrize("table", [name for name, *_ in rollup_tables()])
@pytest.mark.parametrize(
    "change_of", ["UPDATE {} SET cost_pusd_lower = cost_pusd_lower + 1", "DELETE FROM {}"]
)
def test_a_sum_that_is_wrong_or_gone(loaded: Path, table: str, change_of: str) -> None:
    assert any(found.startswith(f"{table}: ") for found in change(loaded, change_of.format(table)))


def test_a_row_of_a_time_without_events(loaded: Path) -> None:
    (found,) = change(loaded, "UPDATE costs_month SET start_unix_s = 0")[-1:]
    assert "costs_month: 1 rows of months without events" in found


def test_an_event_that_was_changed(loaded: Path) -> None:
    found = change(loaded, "UPDATE events_2026_11 SET cost_pusd = 999 WHERE exchange_id LIKE '%1'")
    assert f"event {exchange(1)['id']}/0 of segment 1000-1-0-000000 differs from the spool" in found
    assert any(difference.startswith("traffic_hour") for difference in found)


def test_an_event_that_is_gone(loaded: Path) -> None:
    found = change(loaded, "DELETE FROM events_2026_11 WHERE attempt = 1")
    assert f"event {exchange(2)['id']}/1 of segment 1000-1-0-000000 is missing" in found


def test_an_event_that_no_record_tells_of(loaded: Path) -> None:
    found = change(loaded, "UPDATE events_2026_11 SET segment = 2 WHERE exchange_id LIKE '%1'")
    assert "segment 1000-1-0-000000: the ledger has 2 events of it, the spool 2" not in found
    assert "segment 2000-1-0-000000: the ledger has 2 events of it, the spool 1" in found


def test_segments_that_are_gone_are_no_difference(loaded: Path) -> None:
    (loaded / "spool" / "1000-1-0-000000.spool").unlink()
    report = check(loaded)
    assert (report.events, report.spooled_events, report.differences) == (4, 1, [])


def test_what_is_not_loaded_yet_is_no_difference(loaded: Path, fill: Fill) -> None:
    fill([exchange(3), exchange(4)], name="2000-1-0-000000.open")
    fill([exchange(5)], name="3000-1-0-000000.open")
    assert check(loaded).differences == []


def test_reservations_of_a_gateway_that_runs_are_no_difference(loaded: Path, fill: Fill, load: Load) -> None:
    reservation = {"v": 1, "type": "reservation", "id": "fgr_9", "started_unix_us": 1, "cost_pusd": 5}
    fill([reservation], name="4000-1-0-000000.spool")
    load()
    with StateLock(str(loaded)):
        report = check(loaded)
    assert report.differences == []
    assert "1 reservations" in report.notes[0]
    assert "1 reservations" in check(loaded).differences[0]
