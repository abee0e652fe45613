"""The loading process: killed at any moment, left by its parent, kept waiting by a full disk."""

import json
import logging
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.billing.ledger.conftest import Fill, exchange
from tests.blackbox.waiting import until
from tests.reference.spool import frame

from fastgate.billing.ledger import child, segments
from fastgate.billing.ledger.check import check
from fastgate.billing.ledger.connection import ledger_file
from fastgate.billing.ledger.reading import Ledger
from fastgate.billing.ledger.schema import LedgerError
from fastgate.billing.ledger.sqlite_store import SqliteStore
from fastgate.billing.ledger.status import status

ALWAYS = (0, 10**10)


def start(state: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fastgate.billing.ledger.child", str(state)], stdin=subprocess.PIPE
    )


def positions(state: Path) -> int:
    """Bytes of the spool that the ledger has."""
    if not ledger_file(state).exists():
        return 0
    connection = sqlite3.connect(ledger_file(state))
    try:
        return int(connection.execute("SELECT ifnull(sum(offset), 0) FROM segments").fetchone()[0])
    except sqlite3.OperationalError:
        # It is being made.
        return 0
    finally:
        connection.close()


def requests(state: Path) -> int:
    try:
        with Ledger.open(state) as ledger:
            return sum(summary.requests for summary in ledger.summary((), *ALWAYS))
    except LedgerError:
        return 0


def test_killed_in_the_middle_again_and_again_it_counts_each_event_once(state: Path) -> None:
    # Records of some size, in segments of more than one batch.
    padding = "x" * 2000
    for segment in range(3):
        first = segment * 5000
        records = (
            exchange(number, session=str(number % 700), pad=padding) for number in range(first, first + 5000)
        )
        data = b"".join(frame(json.dumps(record).encode()) for record in records)
        (state / "spool" / f"{1000 + segment}-1-0-000000.spool").write_bytes(data)
    reached = 0
    for _ in range(4):
        loading = start(state)

        def has_gone_on(before: int = reached) -> bool:
            return positions(state) > before

        until(has_gone_on, "a batch is loaded", within_s=30)
        with loading:
            loading.kill()
        reached = positions(state)
    with start(state) as loading:
        until(lambda: requests(state) == 15_000, "everything is loaded", within_s=50)
    assert loading.returncode == 0
    report = check(state)
    assert (report.events, report.spooled_events, report.differences) == (15_000, 15_000, [])


def test_it_follows_an_open_segment_and_stops_with_its_parent(state: Path, fill: Fill) -> None:
    fill([exchange(1)], name="1000-1-0-000000.open")
    with start(state) as loading:
        until(lambda: requests(state) == 1, "the first record is loaded")
        fill([exchange(1), exchange(2)], name="1000-1-0-000000.open")
        until(lambda: requests(state) == 2, "the second record is loaded")
        # What is written while the parent stops is loaded too.
        loading.send_signal(signal.SIGINT)
        fill([exchange(1), exchange(2), exchange(3)], name="1000-1-0-000000.open")
    assert loading.returncode == 0
    assert requests(state) == 3


def test_a_full_disk_is_waited_for(
    state: Path, fill: Fill, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(segments, "CHUNK_BYTES", 20_000)
    fill([exchange(number, session=f"session-{number}") for number in range(500)])
    pages: list[Callable[[int], None]] = []

    class Small(SqliteStore):
        def __init__(self, state_dir: Path) -> None:
            super().__init__(state_dir)

            def limit(count: int) -> None:
                self.connection.execute(f"PRAGMA max_page_count = {count}")

            pages.append(limit)
            (now,) = self.connection.execute("PRAGMA page_count").fetchone()
            limit(now + 10)

    monkeypatch.setattr(child, "SqliteStore", Small)
    loading = child.Loading(state)
    with caplog.at_level(logging.INFO):
        delays = [loading.attempt(lambda: False) for _ in range(3)]
        assert delays == [2 * child.POLL_S, 4 * child.POLL_S, 8 * child.POLL_S]
        assert caplog.text.count("the ledger waits, records stay in the spool") == 1
        assert "full" in caplog.text
        pages[0](1_000_000)
        assert loading.attempt(lambda: False) == child.POLL_S
        assert "loaded again" in caplog.text
    loading.close()
    assert requests(state) == 500
    assert check(state).differences == []


def test_beside_another_loader_it_waits_until_that_is_gone(state: Path, fill: Fill) -> None:
    fill([exchange(1)])
    loading = child.Loading(state)
    with SqliteStore(state):
        assert loading.attempt(lambda: False) > child.POLL_S
    assert loading.attempt(lambda: False) == child.POLL_S
    loading.close()
    assert requests(state) == 1


def test_a_damaged_ledger_ends_it_with_what_to_do(state: Path, fill: Fill) -> None:
    fill([exchange(1)])
    ledger_file(state).parent.mkdir()
    ledger_file(state).write_bytes(b"nonsense" * 1000)
    done = subprocess.run(
        [sys.executable, "-m", "fastgate.billing.ledger.child", str(state)],
        stdin=subprocess.PIPE,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    assert b"fastgate ledger rebuild" in done.stderr


def test_status_tells_what_waits(state: Path, fill: Fill) -> None:
    fill([exchange(1)], name="1000-1-0-000000.open")
    loading = child.Loading(state)
    loading.attempt(lambda: False)
    loading.close()
    fill([exchange(1), exchange(2), exchange(3)], name="1000-1-0-000000.open")
    found = status(state)
    assert (found.events, found.waiting_records) == (1, 2)
    assert found.last_event_unix_us == exchange(1)["started_unix_us"]
    assert found.waiting_since_unix_us == exchange(2)["started_unix_us"]
    assert found.file_bytes > 0
