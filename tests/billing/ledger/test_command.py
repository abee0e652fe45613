"""`fastgate ledger`: the commands, corrections and rebuilding."""

import json
from pathlib import Path

import pytest
from tests.billing.ledger.conftest import Fill, Load, exchange

from fastgate.billing.ledger.connection import ledger_file
from fastgate.billing.ledger.reading import Ledger
from fastgate.billing.ledger.sqlite_store import SqliteStore
from fastgate.cli import main

ALWAYS = (0, 10**10)
EVENT = f"{exchange(1)['id']}/0"


@pytest.fixture
def run(state: Path, capfd: pytest.CaptureFixture[str]) -> "Run":
    return Run(state, capfd)


class Run:
    def __init__(self, state: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self._state, self._capfd = state, capfd
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        try:
            code = main(["ledger", *arguments, "--state-dir", str(self._state)])
        except SystemExit as end:
            code = int(end.code or 0)
        self.out, self.err = self._capfd.readouterr()
        return code


def cost(state: Path) -> int:
    with Ledger.open(state) as ledger:
        (summary,) = ledger.summary((), *ALWAYS)
    return summary.cost_pusd


def test_load_status_and_check(run: Run, fill: Fill, state: Path) -> None:
    fill([exchange(1), exchange(2), {"v": 9}])
    assert run("load") == 0
    assert run.out == "3 records, 2 new events, 0 that were there already\n"
    assert "1 records skipped" in run.err
    assert run("status") == 0
    assert "events        2\nlast event    2026-11-15T12:00:00Z\n" in run.out
    assert "lag           0 records, 0 s" in run.out
    assert run("check") == 0
    assert run.out.startswith("ledger ok\n  events      2\n  in spool    2\n")
    fill([exchange(1, cost_pusd=5), exchange(2), {"v": 9}])
    assert run("check") == 1
    assert f"wrong       event {EVENT} of segment 1000-1-0-000000 differs from the spool" in run.out


def test_without_a_ledger_every_command_says_so(run: Run) -> None:
    for arguments in (("status",), ("check",), ("export",), ("correct", EVENT, "--cost-usd=1", "--reason=x")):
        assert run(*arguments) == 1
        assert "fastgate ledger load" in run.err


def test_a_correction_counts_once_it_is_loaded_and_survives_a_rebuild(
    run: Run, fill: Fill, load: Load, state: Path
) -> None:
    fill([exchange(1), exchange(2)])
    load()
    assert run("correct", EVENT, "--cost-usd=-0.000000000400", "--reason", "refund, ü") == 0
    assert cost(state) == 2000
    assert load().events == 1
    assert cost(state) == 1600
    with Ledger.open(state) as ledger:
        (summary,) = ledger.summary(("feature", "outcome"), *ALWAYS, {"outcome": ["correction"]})
        assert (summary.group, summary.corrections_pusd) == (("search", "correction"), -400)
        assert summary.requests == 0
    assert run("check") == 0
    assert run("rebuild") == 0
    assert cost(state) == 1600
    assert run("check") == 0


@pytest.mark.parametrize("event", ["fgr_unknown/0", "fgr_unknown", "", f"{EVENT}0", f"{EVENT[:-1]}²"])
def test_what_is_not_there_can_not_be_corrected(
    event: str, run: Run, fill: Fill, load: Load, state: Path
) -> None:
    fill([exchange(1)])
    load()
    assert run("correct", event, "--cost-usd=1", "--reason=x") == 1
    assert "has no event" in run.err
    assert len(list((state / "spool").iterdir())) == 1


@pytest.mark.parametrize("amount", ["0", "1e-13", "nan", "10000000000", "x"])
def test_amounts_that_are_none(amount: str, run: Run) -> None:
    assert run("correct", EVENT, f"--cost-usd={amount}", "--reason=x") == 2
    assert "amount in USD" in run.err


def test_a_damaged_ledger_is_rebuilt_and_kept(run: Run, fill: Fill, load: Load, state: Path) -> None:
    fill([exchange(1)])
    load()
    ledger_file(state).write_bytes(b"nonsense" * 1000)
    assert run("check") == 1
    assert "fastgate ledger rebuild" in run.err
    assert run("rebuild") == 0
    assert "the old ledger is" in run.out
    assert cost(state) == 1000
    assert run("check") == 0
    names = sorted(path.name.split(".")[-1] for path in ledger_file(state).parent.iterdir())
    assert [name for name in names if name in ("old", "new")] == ["old"]


def test_rebuilding_does_not_forget_what_the_spool_has_no_longer(
    run: Run, fill: Fill, load: Load, state: Path
) -> None:
    fill([exchange(1)])
    fill([exchange(2)], name="2000-1-0-000000.spool")
    load()
    (state / "spool" / "1000-1-0-000000.spool").unlink()
    assert run("rebuild") == 1
    assert "no longer 1 events" in run.err
    assert cost(state) == 2000
    assert run("rebuild", "--force") == 0
    assert cost(state) == 1000


def test_while_a_gateway_loads_it_nobody_else_does(run: Run, fill: Fill, state: Path) -> None:
    fill([exchange(1)])
    with SqliteStore(state):
        for action in ("load", "rebuild"):
            assert run(action) == 1
            assert "being loaded by another process" in run.err


def test_export_to_a_file_or_standard_output(
    run: Run, fill: Fill, load: Load, state: Path, tmp_path: Path
) -> None:
    fill([exchange(1), exchange(2)])
    load()
    assert run("export") == 0
    assert json.loads(run.out.splitlines()[0])["event_id"] == EVENT
    file = tmp_path / "events.csv"
    assert run("export", "--format=csv", "-o", str(file)) == 0
    assert len(file.read_text().splitlines()) == 3
    assert run("export", "--since=2026-11-16") == 0
    assert run.out == ""
    assert run("export", "--since=yesterday") == 2
    assert run("export", "-o", str(tmp_path / "none" / "x")) == 1
    assert "can't read or write" in run.err
