"""The child process: from a spool on disk to a report on disk."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.blackbox.waiting import until
from tests.drills.conftest import HOUR_MS, START_MS, FakeEngine
from tests.reference.spool import frame

from fastgate.drills.drill import Drill
from fastgate.drills.keeping import Folder, Kept
from fastgate.drills.report import main
from fastgate.drills.running import Drills, Known

DRILL = Drill(
    id="q1", provider="anthropic", permille=500, starts_unix_ms=START_MS, ends_unix_ms=START_MS + HOUR_MS
)


def payload(number: int, **more: Any) -> bytes:
    """As the engine writes records, fields included that nobody here reads."""
    record = {
        "v": 1,
        "id": f"fgr_{number:024x}",
        "trace_id": "0" * 32,
        "started_unix_us": START_MS * 1000 + number,
        "operation": "chat",
        "tenant": "acme",
        "user": None,
        "feature": None,
        "model": "chat",
        "deployment": "gpt",
        "provider": "openai",
        "attempts": 1,
        "stream": False,
        "status": 200,
        "outcome": "answered",
        "fault": "none",
        "usage": {"input_tokens": 1, "output_tokens": 2},
        "cost_pusd": 7,
        "first_content_us": None,
        "total_us": 1000,
        **more,
    }
    return json.dumps(record).encode()


TRAIL = [{"deployment": "opus", "provider": "anthropic", "reason": "drill", "status": None, "us": 0}]


RESERVATION = json.dumps(
    {"v": 1, "type": "reservation", "id": f"fgr_{3:024x}", "started_unix_us": START_MS * 1000, "cost_pusd": 9}
).encode()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A drill that is over, and a spool with two records of it, one beside it, and damage."""
    spool = tmp_path / "spool"
    spool.mkdir()
    drilled = [payload(number, drill="q1", trail=TRAIL, total_us=3000, cost_pusd=10) for number in (1, 2)]
    whole = b"".join(map(frame, [*drilled, RESERVATION, payload(3), b'{"no": "record"}']))
    (spool / "1-1-0-0.open").write_bytes(whole + b"\xfffgr damaged" + frame(payload(4)))
    kept = Kept(drill=DRILL, state="stopped", ended_unix_ms=START_MS + HOUR_MS // 2, why="stopped by ops")
    Folder(tmp_path).write(kept)
    return tmp_path


def test_a_report_is_written(state_dir: Path) -> None:
    command = [sys.executable, "-m", "fastgate.drills.report", str(state_dir), "q1", str(START_MS + HOUR_MS)]
    subprocess.run(command, check=True)
    report = json.loads(Folder(state_dir).report("q1").read_bytes())
    assert report["drill"]["id"] == "q1"
    assert (report["state"], report["why"], report["is_final"]) == ("stopped", "stopped by ops", True)
    assert (report["ended_unix_ms"], report["made_unix_ms"]) == (START_MS + HOUR_MS // 2, START_MS + HOUR_MS)
    assert report["fallbacks"] == [{"from": "opus", "to": "gpt", "exchanges": 2, "answered": 2}]
    (model,) = report["models"]
    assert (model["with"]["exchanges"], model["without"]["exchanges"]) == (2, 2)
    assert (model["with"]["cost_per_exchange_pusd"], model["without"]["cost_per_exchange_pusd"]) == (10, 7)
    assert report["unreadable_records"] == 2, "one damaged place, one record that is none"


def test_a_running_drill_is_reported_on_as_of_now(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)
    Folder(state_dir).write(Kept(drill=DRILL, state="running"))
    assert main([str(state_dir), "q1", str(START_MS + 1000)]) == 0
    report = json.loads(Folder(state_dir).report("q1").read_bytes())
    assert (report["state"], report["is_final"]) == ("running", False)
    assert report["ended_unix_ms"] == START_MS + 1000


def test_what_can_not_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.nice", lambda _: 0)
    assert main([str(tmp_path), "q1", "0"]) == 1
    assert "there is no drill q1" in capsys.readouterr().err
    Folder(tmp_path).write(Kept(drill=DRILL, state="running"))
    assert main([str(tmp_path), "q1", str(START_MS + 1)]) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_the_gateway_has_it_made_by_a_process_of_its_own(state_dir: Path) -> None:
    known = Known(("anthropic",), ("default",))
    drills = Drills(FakeEngine(), state_dir, known, now_ms=lambda: START_MS + HOUR_MS)
    report = until(lambda: drills.report("q1") or b"", "the report", within_s=30)
    assert json.loads(report)["fallbacks"][0]["exchanges"] == 2
    drills.close()
