"""Reports in the making: who gets one when, and what becomes of a child that fails or hangs."""

import io
import json
import time

import pytest
from tests.drills.conftest import Bench

from fastgate.drills import reports
from fastgate.drills.drill import DrillRefused


def write(bench: Bench, drill_id: str, *, is_final: bool) -> bytes:
    report = json.dumps({"is_final": is_final, "made": bench.now_ms}).encode()
    bench.folder.report(drill_id).write_bytes(report)
    return report


def finish(bench: Bench, drill_id: str, *, is_final: bool) -> bytes:
    bench.children[-1].code = 0
    return write(bench, drill_id, is_final=is_final)


def test_a_running_drill_gets_a_new_report_each_time(bench: Bench) -> None:
    started = bench.start()
    assert bench.drills.report(started.id) is None
    assert bench.drills.report(started.id) is None
    assert len(bench.children) == 1
    first = finish(bench, started.id, is_final=False)
    assert bench.drills.report(started.id) == first
    bench.now_ms += 1000
    assert bench.drills.report(started.id) is None
    second = finish(bench, started.id, is_final=False)
    assert bench.drills.report(started.id) == second
    assert len(bench.children) == 2


def test_one_that_is_over_gets_the_report_of_its_end(bench: Bench) -> None:
    started = bench.start()
    bench.drills.report(started.id)
    finish(bench, started.id, is_final=False)
    bench.drills.stop(started.id, "ops")
    assert bench.drills.report(started.id) is None, "the one from before its end will not do"
    final = finish(bench, started.id, is_final=True)
    for _ in range(3):
        assert bench.drills.report(started.id) == final
    assert len(bench.children) == 2


def test_why_a_report_can_not_be_made_is_said_once_and_then_tried_again(bench: Bench) -> None:
    started = bench.start()
    assert bench.drills.report(started.id) is None
    bench.children[-1].stderr = io.BytesIO(b"Traceback\nOSError: no spool\n")
    bench.children[-1].code = 1
    with pytest.raises(DrillRefused, match="the report can't be made: OSError: no spool") as refused:
        bench.drills.report(started.id)
    assert (refused.value.status, refused.value.code) == (500, "report_failed")
    assert bench.drills.report(started.id) is None
    assert len(bench.children) == 2


def test_a_child_that_can_not_be_started(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    started = bench.start()

    def fail(_: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr(bench.drills.reports, "_spawn", fail)
    assert bench.drills.report(started.id) is None
    with pytest.raises(DrillRefused, match="no memory"):
        bench.drills.report(started.id)


def test_a_child_that_hangs_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    started = bench.start()
    bench.drills.report(started.id)
    bench.pass_ms(250)
    assert not bench.children[0].killed
    later_s = time.monotonic() + reports.LONGEST_S + 1
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    bench.pass_ms(250)
    assert bench.children[0].killed


def test_closing_leaves_no_child(bench: Bench) -> None:
    bench.drills.report(bench.start().id)
    bench.drills.close()
    assert bench.children[0].killed
    bench.drills.close()
