"""The gateway's side of the loader."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.billing.ledger.conftest import Fill, exchange
from tests.billing.ledger.test_child import requests
from tests.blackbox.waiting import until

from fastgate.billing.ledger.process import LedgerProcess
from fastgate.control import ControlPlane

WAITS = (sys.executable, "-c", "import sys; sys.stdin.read()")
DIES = (sys.executable, "-c", "raise SystemExit(3)")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waiting(state: Path, clock: Clock) -> Iterator[LedgerProcess]:
    process = LedgerProcess(state, command=WAITS, clock=clock)
    yield process
    process.stop()


def test_without_records_nothing_is_started(waiting: LedgerProcess, fill: Fill) -> None:
    waiting.poll()
    assert waiting.process_id is None
    fill([exchange(1)], name="1000-1-0-000000.open")
    waiting.poll()
    first = waiting.process_id
    assert first is not None
    waiting.poll()
    assert waiting.process_id == first
    waiting.stop()
    waiting.stop()
    assert waiting.process_id is None


def test_a_loader_that_dies_is_started_again_after_a_while_that_doubles(
    state: Path, fill: Fill, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fill([exchange(1)])
    process = LedgerProcess(state, command=DIES, clock=clock)

    def has_died() -> bool:
        process.poll()
        return process.process_id is None

    for pause_s in (1.0, 2.0, 4.0):
        process.poll()
        assert process.process_id is not None
        until(has_died, "the loader has died")
        clock.now += pause_s - 0.01
        process.poll()
        assert process.process_id is None, "too early"
        clock.now += 0.01
    assert "the ledger's loader ended with 3" in caplog.text


def test_a_loader_that_can_not_be_started_is_logged_and_no_harm(
    state: Path, fill: Fill, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fill([exchange(1)])
    process = LedgerProcess(state, command=("/nonexistent",), clock=clock)
    process.poll()
    process.poll()
    assert process.process_id is None
    assert caplog.text.count("can't be started") == 1


def test_a_gateway_loads_its_ledger(state: Path, fill: Fill) -> None:
    fill([exchange(1)])
    control = ControlPlane(None, {}, values={"server": {"state_dir": str(state)}})
    try:
        control.poll()
        until(lambda: requests(state) == 1, "the record is loaded")
    finally:
        control.close(0)


def test_a_worker_without_the_lock_loads_nothing(state: Path, fill: Fill) -> None:
    fill([exchange(1)])
    control = ControlPlane(None, {}, values={"server": {"state_dir": str(state)}}, lock=False)
    control.poll()
    control.close(0)
    assert not (state / "ledger").exists()
