"""The simulation of an outage: the promise holds, what is printed is the worst, and the plot is an image."""

import xml.etree.ElementTree as ET

import pytest
from bench.simulate_resilience import FAILURES, Report, broken, row, run, settings, share, table, worst
from bench.svg import Panel, chart, ticks

REPORT: Report = {
    "variant": "fastgate",
    "failure": "error",
    "failing_permille": 300,
    "requests": 3000,
    "answered": 3000,
    "outage_requests": 1000,
    "outage_answered": 1000,
    "outage_first_calls": 800,
    "outage_retries": 80,
    "outage_retries_allowed": 100,
    "outage_p50_ms": 400,
    "outage_p99_ms": 1500,
    "before_p99_ms": 1200,
    "left_after_ms": 300,
    "returned_after_ms": 2000,
    "primary_calls": [1000, 10, 1000],
    "unanswered": [0, 0, 0],
}


@pytest.mark.parametrize("failure", FAILURES)
def test_the_gateway_keeps_its_promise(failure: str) -> None:
    report = run("fastgate", failure, 1000, 99, settings())
    assert broken([report]) == []
    assert report["left_after_ms"] is not None
    assert len(report["primary_calls"]) == 120


def test_plain_retries_do_not() -> None:
    assert len(broken([run("plain_retries", "error", 1000, 99, settings())])) == 2


def test_a_wrong_scenario_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown variant"):
        run("another", "error", 1000, 1, settings())


def test_a_row_tells_the_worst_of_all_seeds() -> None:
    other: Report = {
        **REPORT,
        "outage_answered": 999,
        "outage_retries": 101,
        "left_after_ms": None,
        "outage_p99_ms": 1600,
    }
    expected = ["30 %, status 500", "`fastgate`", "99.90 %", "101 / 100", "400", "1,600", "stays", "2.0 s"]
    assert row([REPORT, other]) == expected
    assert table([expected]).count("\n") == 2
    assert worst([1, 3, 2]) == 3
    assert worst([1, None]) is None
    assert (share(1.0), share(0.99999)) == ("100 %", "99.99 %")


def test_a_broken_promise_is_named() -> None:
    assert broken([REPORT]) == []
    assert len(broken([{**REPORT, "outage_retries": 101, "returned_after_ms": None, "answered": 2999}])) == 3
    assert len(broken([{**REPORT, "returned_after_ms": 30_001}])) == 1


def test_a_chart_is_well_formed_and_to_scale() -> None:
    panel = Panel("30 %, <500>", [[0, 50, 100], [100, 100, 100]], (1, 2))
    text = chart("calls & more", ("one", "two"), [[panel, panel]])
    root = ET.fromstring(text)
    paths = [path.get("d", "") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    assert any(path.startswith("M0 170V170.0h140.00V85.0h140.00V0.0") for path in paths)
    assert "M140.0 0V170H280.0V0" in paths


def test_ticks_are_round_and_few() -> None:
    assert ticks(1000) == [0, 200, 400, 600, 800, 1000]
    assert ticks(3000) == [0, 1000, 2000, 3000]
    assert ticks(1) == [0, 1]
    assert all(2 <= len(ticks(top)) <= 6 for top in range(1, 5000))
