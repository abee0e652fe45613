"""Drills begin, are watched, end; they survive reloads and restarts."""

import json
import logging
import threading
from pathlib import Path

import pytest
from tests.drills.conftest import HOUR_MS, MINUTE_MS, START_MS, Bench, drill

from fastgate.drills.drill import WHEN_READ, Drill, DrillRefused
from fastgate.drills.running import KEEP_EVERY_MS, REPORT_AFTER_MS, Known


def refusal(bench: Bench, **asked: object) -> DrillRefused:
    with pytest.raises(DrillRefused) as refused:
        bench.start(**asked)
    return refused.value


def test_a_drill_is_given_to_the_engine_and_taken_back_at_its_end(bench: Bench) -> None:
    assert bench.engine.told == 0, "an engine without drills is left alone"
    started = bench.start(tenant="staging")
    assert bench.engine.drills == [
        {
            "id": started.id,
            "provider": "anthropic",
            "permille": 100,
            "tenants": ["staging"],
            "features": None,
            "ends_unix_ms": START_MS + HOUR_MS,
        }
    ]
    bench.pass_ms(HOUR_MS - 1)
    assert bench.engine.ids() == [started.id]
    bench.pass_ms(1)
    assert bench.engine.drills == []
    (shown,) = bench.drills.all()
    assert (shown["state"], shown["why"], shown["started_by"]) == ("ended", "its time was over", "ops")
    assert shown["ended_unix_ms"] == START_MS + HOUR_MS


def test_the_guard_takes_a_drill_out_in_the_same_poll(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bad, good = bench.start(tenant="staging"), bench.start(tenant="prod")
    bench.engine.count(bad.id, exchanges=100, failed=5, forced=90)
    bench.engine.count(good.id, exchanges=100, failed=5, forced=90)
    bench.pass_ms(250)
    assert bench.engine.ids() == [bad.id, good.id]
    bench.engine.count(bad.id, exchanges=101, failed=6, forced=91)
    bench.pass_ms(250)
    assert bench.engine.ids() == [good.id]
    shown = bench.drills.find(bad.id)
    assert shown["state"] == "tripped"
    assert (shown["exchanges"], shown["failed"], shown["forced"]) == (101, 6, 91)
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "6 of 101 exchanges failed" in warning.message


def test_somebody_stops_a_drill(bench: Bench) -> None:
    started = bench.start()
    bench.engine.count(started.id, exchanges=7)
    bench.pass_ms(250)
    shown = bench.drills.stop(started.id, "alice")
    assert (shown["state"], shown["why"], shown["exchanges"]) == ("stopped", "stopped by alice", 7)
    assert bench.engine.drills == []
    with pytest.raises(DrillRefused, match="is over: stopped by alice") as refused:
        bench.drills.stop(started.id, "bob")
    assert refused.value.status == 409
    with pytest.raises(DrillRefused, match="there is no drill nope") as refused:
        bench.drills.stop("nope", "bob")
    assert refused.value.status == 404


def test_what_is_not_configured_can_not_be_drilled(bench: Bench) -> None:
    found = refusal(bench, provider="antropic")
    assert str(found) == 'provider: there is no [providers.antropic] (did you mean "anthropic"?)'
    assert (found.status, found.code) == (400, "unknown_provider")
    found = refusal(bench, tenant="stagin")
    assert 'did you mean "staging"?' in str(found)
    assert found.code == "unknown_tenant"
    assert refusal(bench, percent=200).code == "invalid_drill"
    assert bench.engine.told == 0
    assert bench.drills.all() == []


def test_no_exchange_belongs_to_two_drills(bench: Bench) -> None:
    first = bench.start(tenant="staging")
    for asked in ({}, {"tenant": "staging"}, {"tenant": ["prod", "staging"], "feature": "chat"}):
        found = refusal(bench, **asked)
        assert (found.status, found.code) == (409, "drill_overlaps")
        assert str(first) in str(found)
    bench.start(tenant="prod")
    bench.start(provider="openai")
    assert len(bench.engine.drills) == 3


def test_an_engine_that_refuses_leaves_no_trace(bench: Bench) -> None:
    bench.engine.refuse = "no such provider"
    assert "the engine refuses it: no such provider" in str(refusal(bench))
    assert bench.drills.all() == []
    assert list((bench.state_dir / "drills").iterdir()) == []


def test_a_drill_that_can_not_be_kept_does_not_begin(bench: Bench) -> None:
    (bench.state_dir / "drills").write_text("in the way")
    found = refusal(bench)
    assert (found.status, found.code) == (500, "state_unwritable")
    assert bench.engine.told == 0


def test_two_drills_of_one_second_have_two_ids(bench: Bench) -> None:
    ids = [bench.start(tenant=tenant).id for tenant in ("staging", "prod", "default")]
    assert ids == ["anthropic-20270115T080000" + suffix for suffix in ("", "-2", "-3")]


def test_a_restart_goes_on_with_what_ran(bench: Bench) -> None:
    started = bench.start(tenant="staging", error_share="10%")
    bench.engine.count(started.id, exchanges=50, failed=5)
    bench.pass_ms(KEEP_EVERY_MS)
    bench.engine.count(started.id, exchanges=60, failed=5)
    bench.pass_ms(250)
    bench.restart()
    assert bench.engine.ids() == [started.id]
    shown = bench.drills.find(started.id)
    assert shown["exchanges"] == 50, "what was counted since the last write is forgotten, no more"
    bench.engine.count(started.id, exchanges=8, failed=1)
    bench.pass_ms(250)
    assert bench.drills.find(started.id)["exchanges"] == 58
    bench.engine.count(started.id, exchanges=9, failed=2)
    bench.pass_ms(250)
    assert bench.drills.find(started.id)["state"] == "tripped", "7 of 59: the guard knows both lives"
    bench.restart()
    assert bench.engine.drills == []
    assert bench.drills.find(started.id)["why"] == shown_why(bench, started.id)


def shown_why(bench: Bench, drill_id: str) -> str:
    kept = bench.folder.read(drill_id)
    assert kept is not None
    assert kept.why is not None
    return kept.why


def test_closing_keeps_the_counts(bench: Bench) -> None:
    started = bench.start()
    bench.engine.count(started.id, exchanges=3, failed=1, forced=2)
    bench.pass_ms(250)
    bench.drills.close()
    bench.restart()
    shown = bench.drills.find(started.id)
    assert (shown["exchanges"], shown["failed"], shown["forced"]) == (3, 1, 2)


def test_a_drill_whose_time_passed_while_nothing_ran_is_over(bench: Bench) -> None:
    started = bench.start()
    bench.now_ms += 2 * HOUR_MS
    bench.restart()
    assert bench.engine.drills == []
    shown = bench.drills.find(started.id)
    assert (shown["state"], shown["ended_unix_ms"]) == ("ended", START_MS + HOUR_MS)
    bench.pass_ms(REPORT_AFTER_MS)
    assert [child.arguments[1] for child in bench.children] == [started.id]


def test_counts_that_begin_anew_are_added(bench: Bench) -> None:
    started = bench.start()
    for exchanges in (10, 20, 5, 6):
        bench.engine.count(started.id, exchanges=exchanges)
        bench.pass_ms(250)
    assert bench.drills.find(started.id)["exchanges"] == 26


def test_a_reload_leaves_running_drills_alone(bench: Bench) -> None:
    started = bench.start()
    told = bench.engine.told
    bench.engine.drills = []
    bench.configure()
    assert bench.engine.ids() == [started.id], "an engine with new tables is told again"
    assert bench.engine.told == told + 1
    bench.known = Known(("openai",), ("default",))
    bench.drills.configure(bench.known)
    assert bench.engine.drills == []
    assert bench.drills.find(started.id)["why"] == "anthropic is no longer configured"


def test_what_the_engine_refuses_for_a_moment_is_told_again(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    started = bench.start()
    bench.engine.refuse = "not now"
    bench.drills.stop(started.id, "ops")
    for _ in range(3):
        bench.pass_ms(250)
    assert caplog.text.count("not now") == 1
    assert bench.engine.ids() == [started.id]
    bench.engine.refuse = None
    bench.pass_ms(250)
    assert bench.engine.drills == []


def test_counts_that_can_not_be_read_end_no_drill(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    started = bench.start()
    bench.engine.counts = {started.id: {"exchanges": "many"}}  # type: ignore[dict-item]  # that is the point
    bench.pass_ms(250)
    bench.pass_ms(250)
    assert caplog.text.count("no guard watches them") == 1
    bench.pass_ms(HOUR_MS)
    assert bench.drills.find(started.id)["state"] == "ended"


# Drills of the configuration


def test_a_scheduled_drill_begins_and_ends_at_its_time(bench: Bench) -> None:
    bench.configure(drill())
    assert [shown["state"] for shown in bench.drills.all()] == ["scheduled"]
    bench.pass_ms(HOUR_MS - 1)
    assert bench.engine.drills == []
    bench.pass_ms(1)
    assert bench.engine.ids() == ["q1"]
    bench.pass_ms(HOUR_MS)
    assert bench.engine.drills == []
    assert bench.drills.find("q1")["origin"] == "configuration"
    bench.pass_ms(MINUTE_MS)
    assert bench.engine.drills == []


def test_one_whose_beginning_was_missed_begins_late_and_one_whose_end_was_never(bench: Bench) -> None:
    bench.now_ms += HOUR_MS + HOUR_MS // 2
    bench.configure(drill(), drill("q0", ends_unix_ms=START_MS + HOUR_MS + 1, tenants=("prod",)))
    bench.pass_ms(0)
    assert bench.engine.ids() == ["q1"]
    assert [shown["id"] for shown in bench.drills.all()] == ["q1"]


@pytest.mark.parametrize("restarts", [False, True])
def test_one_that_was_stopped_or_tripped_does_not_begin_again(bench: Bench, restarts: bool) -> None:
    bench.configure(drill(), drill("q2", tenants=("prod",), provider="openai"))
    bench.pass_ms(HOUR_MS)
    bench.drills.stop("q1", "ops")
    bench.engine.count("q2", exchanges=30, failed=30)
    bench.pass_ms(250)
    if restarts:
        bench.restart()
    else:
        bench.configure(*bench.known.drills)
    for _ in range(3):
        bench.pass_ms(250)
    assert bench.engine.drills == []
    assert {shown["id"]: shown["state"] for shown in bench.drills.all()} == {"q1": "stopped", "q2": "tripped"}


def test_the_same_id_at_another_time_is_another_drill(bench: Bench) -> None:
    bench.configure(drill())
    bench.pass_ms(HOUR_MS)
    bench.engine.count("q1", exchanges=40, failed=40)
    bench.pass_ms(250)
    assert bench.drills.find("q1")["state"] == "tripped"
    (bench.folder.report("q1")).write_text("{}")
    bench.configure(drill(starts_unix_ms=START_MS + 3 * HOUR_MS, ends_unix_ms=START_MS + 4 * HOUR_MS))
    bench.pass_ms(2 * HOUR_MS)
    bench.pass_ms(250)
    shown = bench.drills.find("q1")
    assert (shown["state"], shown["exchanges"]) == ("running", 0), "counts of the first are not its own"
    assert not bench.folder.report("q1").exists(), "the old report does not pass for the new one"


def test_one_may_be_stopped_before_it_begins(bench: Bench) -> None:
    bench.configure(drill())
    shown = bench.drills.stop("q1", "ops")
    assert (shown["state"], shown["why"]) == ("stopped", "stopped by ops before it began")
    bench.pass_ms(HOUR_MS)
    bench.restart()
    bench.pass_ms(MINUTE_MS)
    assert bench.engine.drills == []
    with pytest.raises(DrillRefused, match="never began"):
        bench.drills.report("q1")
    assert bench.children == []


def test_a_change_of_the_configuration_changes_the_drill_that_runs(bench: Bench) -> None:
    bench.configure(drill())
    bench.pass_ms(HOUR_MS)
    bench.engine.count("q1", exchanges=10)
    bench.pass_ms(250)
    bench.configure(drill(permille=500, ends_unix_ms=START_MS + 5 * HOUR_MS))
    assert [entry["permille"] for entry in bench.engine.drills] == [500]
    assert bench.drills.find("q1")["exchanges"] == 10
    bench.configure()
    assert bench.engine.drills == []
    assert bench.drills.find("q1")["why"] == "the configuration no longer has it"


def test_one_without_a_time_begins_when_it_is_first_read_and_only_once(bench: Bench) -> None:
    timeless = drill(starts_unix_ms=WHEN_READ, ends_unix_ms=HOUR_MS)
    bench.configure(timeless)
    bench.pass_ms(0)
    assert [entry["ends_unix_ms"] for entry in bench.engine.drills] == [START_MS + HOUR_MS]
    bench.pass_ms(MINUTE_MS)
    bench.configure(timeless)
    assert [entry["ends_unix_ms"] for entry in bench.engine.drills] == [START_MS + HOUR_MS]
    bench.restart()
    assert [entry["ends_unix_ms"] for entry in bench.engine.drills] == [START_MS + HOUR_MS]
    bench.pass_ms(HOUR_MS)
    for _ in range(2):
        bench.configure(timeless)
        bench.restart()
        bench.pass_ms(250)
        assert bench.engine.drills == []


def test_a_scheduled_drill_waits_for_one_in_its_way(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.start(**{"for": "90m"})
    bench.configure(drill())
    found = refusal(bench, provider="anthropic", tenant="prod")
    assert found.code == "drill_overlaps"
    bench.pass_ms(HOUR_MS)
    for _ in range(5):
        bench.pass_ms(250)
    assert caplog.text.count("does not begin") == 1
    (waiting,) = [shown for shown in bench.drills.all() if shown["state"] == "scheduled"]
    assert "it overlaps one that runs" in waiting["why"]
    bench.pass_ms(HOUR_MS // 2)
    bench.pass_ms(250)
    assert bench.engine.ids() == ["q1"]


def test_nothing_can_be_started_into_a_scheduled_drill(bench: Bench) -> None:
    bench.configure(drill())
    assert refusal(bench, **{"for": "2h"}).code == "drill_overlaps"
    bench.start(**{"for": "1h"})


# Reports


def test_a_report_is_made_a_moment_after_the_end(bench: Bench) -> None:
    started = bench.start()
    bench.drills.stop(started.id, "ops")
    bench.pass_ms(REPORT_AFTER_MS - 1)
    assert bench.children == []
    bench.pass_ms(1)
    (child,) = bench.children
    assert child.arguments == [str(bench.state_dir), started.id, str(bench.now_ms)]
    bench.pass_ms(250)
    assert len(bench.children) == 1


def test_reports_are_made_one_after_the_other(bench: Bench) -> None:
    ids = [bench.start(tenant=tenant).id for tenant in ("staging", "prod")]
    for drill_id in ids:
        bench.drills.stop(drill_id, "ops")
    bench.pass_ms(REPORT_AFTER_MS)
    bench.pass_ms(250)
    assert [child.arguments[1] for child in bench.children] == ids[:1]
    bench.children[0].code = 0
    bench.pass_ms(250)
    assert [child.arguments[1] for child in bench.children] == ids


def test_a_report_that_a_dead_gateway_did_not_make_is_made_by_the_next(bench: Bench) -> None:
    started = bench.start()
    bench.drills.stop(started.id, "ops")
    bench.restart()
    bench.pass_ms(250)
    assert [child.arguments[1] for child in bench.children] == [started.id]
    bench.folder.report(started.id).write_text("{}")
    bench.restart()
    bench.pass_ms(MINUTE_MS)
    assert len(bench.children) == 1


def test_only_so_many_that_are_over_are_remembered(bench: Bench) -> None:
    for _ in range(103):
        bench.drills.stop(bench.start().id, "ops")
        bench.now_ms += 1000
    assert len(bench.drills.all()) == 100
    assert bench.drills.find("anthropic-20270115T080000")["state"] == "stopped", "still on disk"
    bench.restart()
    assert len(bench.drills.all()) == 100


def test_ids_lead_to_no_other_folder(bench: Bench, tmp_path: Path) -> None:
    for drill_id in ("../../etc/passwd", "..", "a/b", "x" * 128, "%2e%2e%2f", "/" * 128):
        with pytest.raises(DrillRefused, match="there is no drill"):
            bench.drills.find(drill_id)
        kept = drill(drill_id, starts_unix_ms=bench.now_ms)
        bench.configure(kept)
        bench.pass_ms(0)
        assert bench.folder.read(drill_id) is not None, drill_id
        bench.configure()
    assert {path.parent for path in tmp_path.rglob("*.json")} == {bench.state_dir / "drills"}


def test_a_file_that_is_no_drill_is_left_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    folder = bench.state_dir / "drills"
    folder.mkdir()
    (folder / "x.json").write_text('{"v": 1, "drill"')
    (folder / "y.json").write_text(json.dumps({"v": 1, "state": "running"}))
    bench.restart()
    assert bench.drills.all() == []
    assert caplog.text.count("can't be read and is left alone") == 2


def test_many_threads_start_one_drill(bench: Bench) -> None:
    started: list[Drill] = []
    refused: list[str] = []

    def start() -> None:
        try:
            started.append(bench.start())
        except DrillRefused as error:
            refused.append(error.code)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert refused == ["drill_overlaps"] * 7
