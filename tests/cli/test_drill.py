"""`fastgate drill` against an admin listener that is answered."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.admin.conftest import VIEWER
from tests.admin.test_thread import Served

from fastgate.cli import drill as command
from fastgate.cli import main
from fastgate.cli.admin_client import AdminClient
from fastgate.cli.drill_text import drills_text, report_text
from fastgate.drills.comparison import Comparison, Record, Tried
from fastgate.drills.drill import Drill


def run(*arguments: str) -> int:
    try:
        return main(("drill", *arguments))
    except SystemExit as end:
        return int(end.code or 0)


START = ("start", "--provider", "anthropic", "--percent", "10", "--for", "1h")


def only_drill(served: Served) -> dict[str, Any]:
    (drill,) = served.gateway.drills.all()
    return drill


def test_a_drill_is_started_listed_and_stopped(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    scope = ("--tenant", "staging", "--tenant", "default", "--feature", "chat", "--error-share", "2%")
    assert run(*START, *scope, "--minimum-exchanges", "5") == 0
    drill = only_drill(served)
    assert (drill["tenants"], drill["features"], drill["percent"]) == (("staging", "default"), ("chat",), 10)
    assert (drill["error_share"], drill["minimum_exchanges"]) == ("2%", 5)
    assert drill["ends_unix_ms"] - drill["starts_unix_ms"] == 3_600_000
    out = capsys.readouterr().out
    assert f"{drill['id']}: 10 % of anthropic of tenant staging, default and feature chat" in out
    assert "warning: no deployment of another provider stands in for: chat" in out
    assert f"fastgate drill stop {drill['id']}" in out
    assert run("list") == 0
    out = capsys.readouterr().out
    assert drill["id"] in out
    assert "running" in out
    assert run("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == drill["id"]
    assert run("stop", drill["id"]) == 0
    assert "stopped by alice; 0 exchanges" in capsys.readouterr().out
    assert only_drill(served)["state"] == "stopped"


def test_what_the_gateway_refuses_is_said(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("start", "--provider", "antropic", "--percent", "10", "--for", "1h") == 1
    assert 'did you mean "anthropic"?' in capsys.readouterr().err
    assert run("stop", "nope") == 1
    assert "there is no drill nope" in capsys.readouterr().err
    assert run("report", "no/pe") == 1
    assert "there is no drill no/pe" in capsys.readouterr().err
    assert run(*START, "--token", VIEWER) == 1
    assert "this takes the role operator; the token eve is viewer" in capsys.readouterr().err
    monkeypatch.delenv("FASTGATE_ADMIN_TOKEN")
    assert run(*START) == 1
    assert "changes need a token" in capsys.readouterr().err
    assert run("list") == 0
    assert capsys.readouterr().out == "no drills\n"
    assert run(*START, "--token", "a\nb") == 1
    assert "no header can carry" in capsys.readouterr().err


def test_wrong_usage(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in (
        (("--percent", "much"), "must be a number"),
        (("--for", "long"), "must be a duration with its unit"),
        (("--minimum-exchanges", "x"), "invalid int value"),
    ):
        assert run(*START, *wrong) == 2
        assert said in capsys.readouterr().err
    assert run("start") == 2
    assert run() == 2
    assert served.gateway.drills.all() == []


def test_a_gateway_that_is_not_there(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    served.listener.engine.stop(0)
    assert run("list") == 1
    assert f"no gateway answers at {served.listener.address}" in capsys.readouterr().err
    assert run("list", "--admin", "nonsense") == 1
    assert "host:port" in capsys.readouterr().err
    Path("fastgate.toml").write_text('[server]\nadmin = "off"\n[providers.openai]\napi_key = "x"\n')
    assert run("list") == 1
    assert 'server.admin is "off"' in capsys.readouterr().err


def test_a_report_is_asked_for_until_it_is_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [(202, {"state": "being made"}), (202, {"state": "being made"}), (200, REPORT)]
    monkeypatch.setattr(AdminClient, "ask", lambda *_: answers.pop(0))
    assert run("report", "q1", "--admin", "127.0.0.1:1", "--json") == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(REPORT))
    answers = [(202, {"state": "being made"}), (200, REPORT)]
    assert run("report", "q1", "--admin", "127.0.0.1:1") == 0
    assert "what fell back where" in capsys.readouterr().out
    answers = [(202, {"state": "being made"})]
    monkeypatch.setattr(command, "REPORT_LIMIT_S", 0)
    assert run("report", "q1", "--admin", "127.0.0.1:1") == 1
    assert "still being made" in capsys.readouterr().err


def report() -> dict[str, Any]:
    """As `fastgate.drills.report` makes it."""
    drill = Drill(
        id="q1",
        provider="anthropic",
        permille=125,
        tenants=("staging",),
        starts_unix_ms=1_800_000_000_000,
        ends_unix_ms=1_800_003_600_000,
    )
    comparison = Comparison(drill, drill.ends_unix_ms)

    def add(number: int, **more: Any) -> None:
        fields: dict[str, Any] = {
            "id": f"fgr_{number}",
            "started_unix_us": drill.starts_unix_ms * 1000 + number,
            "outcome": "answered",
            "fault": "none",
            "total_us": 1_500,
            "tenant": "staging",
            "model": "chat",
            "deployment": "gpt",
            "cost_pusd": 1_234_567_890,
            **more,
        }
        comparison.add(Record(**fields))

    trail = (Tried("opus", "drill"),)
    for number in range(1200):
        add(number, drill="q1", trail=trail)
    nowhere = {"outcome": "no_route", "fault": "gateway", "deployment": "opus", "cost_pusd": None}
    add(1200, drill="q1", trail=trail, **nowhere)
    add(1201, total_us=20_000_000, cost_pusd=None)
    return {
        "drill": drill.shown(),
        "state": "tripped",
        "why": "too much failed",
        "ended_unix_ms": drill.ends_unix_ms,
        "made_unix_ms": drill.ends_unix_ms,
        "is_final": True,
        "unreadable_records": 2,
        **comparison.shown(),
    }


REPORT = report()


def test_a_report_as_text() -> None:
    text = report_text(REPORT)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0].startswith("q1: 12.5 % of anthropic of tenant staging, 2027-01-15 08:00:00Z to")
    assert lines[1] == "tripped: too much failed; report as of 2027-01-15 09:00:00Z"
    for wanted in (
        "what fell back where (1,201 exchanges)",
        "opus gpt 1,200 1,200",
        "opus nowhere 1 0",
        "chat, beside the same traffic at the same time",
        "exchanges 1,201 1",
        "answered 99.9 % 100.0 %",
        "p50 1.5 ms 20.0 s",
        "first content p50 - -",
        "cost per exchange $0.001235 -",
        "no_route 1 0",
        "no_route gateway 1 fgr_1200",
        "2 records could not be read: fastgate spool check",
    ):
        assert wanted in lines, text


def test_a_report_on_nothing_as_text() -> None:
    nothing = {**REPORT, "why": None, "forced": 0, "fallbacks": [], "models": [], "broke": []}
    text = report_text({**nothing, "unreadable_records": 0})
    for wanted in (
        "still running",
        "nothing was forced",
        "no exchange belonged to the drill",
        "nothing broke",
    ):
        assert wanted in text


def test_a_model_with_nothing_beside_it() -> None:
    (model,) = REPORT["models"]
    text = report_text({**REPORT, "models": [{**model, "without": None, "compared_with": None}] * 25})
    assert "chat, nothing to compare with" in text
    assert "5 more models: --json" in text


def test_drills_as_text_say_why_they_are_over() -> None:
    shown = {
        **REPORT["drill"],
        "state": "tripped",
        "ended_unix_ms": 1_800_000_000_000,
        "why": "too much failed",
    }
    text = drills_text([{**shown, "exchanges": 1000, "failed": 60, "forced": 900}])
    assert "1,000" in text
    assert text.endswith("too much failed")
