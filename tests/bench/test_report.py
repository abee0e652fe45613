"""From samples to figures, bars and tables."""

from dataclasses import replace

import pytest
from bench.bars import BARS, STAGES, compare
from bench.books import Audit, Entries
from bench.figures import figures
from bench.options import Options, parse
from bench.report import markdown, number
from bench.runner import Results, rotated
from bench.samples import Failure, HeldSample, IdleSample, LoadSample, StartSample, StreamSample


def load(target: str, turn: int, cpu_us: float | None, **changes: int) -> LoadSample:
    values = dict.fromkeys(("bad_status", "socket_errors", "wrong", "lost", "doubled"), 0) | changes
    return LoadSample(
        target=target,
        round=turn,
        requests=1000,
        requests_per_second=1000.0,
        p50_us=10,
        p99_us=20,
        p999_us=30,
        max_us=40,
        cpu_us=cpu_us,
        rss_bytes=10_000_000,
        pss_bytes=5_000_000,
        foreign_share=0.0,
        policy_p50_us=2.0,
        verified=64,
        problem=None,
        books=None,
        **values,
    )


def stream(target: str, turn: int, cpu_us: float, wrong: int = 0) -> StreamSample:
    return StreamSample(target, turn, "paced", 100, 100, cpu_us, 1.0, 2.0, 3.0, wrong, 0, 0, None, None)


def sample_results() -> Results:
    results = Results(upstream="test")
    for turn, (nginx, native) in enumerate([(10.0, 15.0), (20.0, 24.0), (10.0, 30.0)]):
        results.load += [load("nginx", turn, nginx), load("native", turn, native)]
        results.streams += [stream("nginx", turn, 5.0), stream("native", turn, 7.0)]
    for name, value in (("direct", 20.0), ("nginx", 60.0), ("native", 65.0)):
        results.idle.append(IdleSample(name, 0, 10, value, value, None if name == "direct" else 9.0, None))
    results.starts.append(StartSample("native", 0, 0.3, 30_000_000, 28_000_000, 0.5))
    return results


def test_ratios_are_medians_of_the_rounds_ratios() -> None:
    found = figures(sample_results())
    assert found["native"]["load_ratio"] == 1.5  # of 1.5, 1.2, 3.0; the ratio of medians would be 2.4
    assert found["native"]["load_cpu_min_us"] == 15.0
    assert found["native"]["paced_ratio"] == pytest.approx(1.4)
    assert found["native"]["idle_added_us"] == 45.0
    assert found["native"]["idle_added_ratio"] == pytest.approx(45 / 40)
    assert found["direct"]["idle_added_us"] is None


def test_every_kind_of_error_is_counted() -> None:
    results = sample_results()
    assert figures(results)["native"]["errors"] == 0
    results.load.append(load("native", 3, 1.0, lost=1, doubled=2, wrong=3, bad_status=4, socket_errors=5))
    results.streams.append(stream("native", 3, 7.0, wrong=6))
    results.failures.append(Failure("native", "idle", "gone"))
    assert figures(results)["native"]["errors"] == 22


def test_bars_hold_or_not_and_a_missing_figure_never_holds() -> None:
    by_text = {verdict.text: verdict for verdict in compare(figures(sample_results()), "first")}
    assert by_text["native: CPU per request, ratio to nginx"].holds
    assert by_text["native: CPU per request, ratio to nginx"].line().startswith("pass")
    assert not by_text["uvicorn: CPU per request, ratio to nginx"].holds
    assert by_text["uvicorn: CPU per request, ratio to nginx"].line().startswith("MISSING")
    tight = {verdict.text: verdict for verdict in compare(figures(sample_results()), "tight")}
    assert tight["native: CPU per request, ratio to nginx"].line().startswith("FAIL")


def test_records_that_do_not_fit_are_errors_of_every_measure() -> None:
    results = sample_results()
    books = Audit(Entries(records=1, answered=1, attempts=1), replies=3, sent=3, received=2)
    results.load.append(replace(load("native", 3, 1.0), books=books))
    results.streams.append(replace(stream("native", 3, 7.0), books=books))
    results.idle.append(replace(results.idle[-1], books=books))
    found = figures(results)["native"]
    assert found["errors"] == found["books_unrecorded"] == 6
    assert "2 missing" in markdown(figures(results), results, Options(), {}, [], "today")


def test_each_stage_has_bars_of_its_own() -> None:
    results = sample_results()
    results.wheel_bytes = 21_000_000
    first = {verdict.text for verdict in compare(figures(results), "first")}
    full = {verdict.text: verdict for verdict in compare(figures(results), "full")}
    assert "native: µs of policy per request, p50" not in first
    assert full["native: µs of policy per request, p50"].holds
    assert full["native-o200k: resident MB after load with one vocabulary"].line().startswith("MISSING")
    assert full["wheel: MB of the wheel (make wheel)"].line().startswith("FAIL")


def test_an_error_fails_the_comparison() -> None:
    results = sample_results()
    results.load.append(load("nginx", 4, 10.0, lost=1))
    verdicts = {verdict.text: verdict for verdict in compare(figures(results), "first")}
    assert not verdicts["nginx: requests lost, doubled, wrong or not recorded once"].holds


def test_a_bar_keeps_its_last_limit_for_later_stages() -> None:
    for bar in BARS:
        assert bar.limit(STAGES[0]) == bar.limits[0]  # None: not looked at then
        assert bar.limit(STAGES[-1]) == bar.limits[-1]


def test_the_report_names_versions_targets_and_problems() -> None:
    results = sample_results()
    results.failures.append(Failure("portkey", "start", "not there\nsecond line"))
    text = markdown(figures(results), results, Options(), {"nginx": "1.2"}, [], "today")
    assert "nginx 1.2" in text
    assert "| native | 24 | 15 | 1.50 |" in text
    assert "portkey, start: not there" in text
    assert "second line" not in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.0, "0"), (12345.6, "12,346"), (12.345, "12.3"), (1.5, "1.50"), (0.01234, "0.0123")],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_every_turn_begins_with_another_target() -> None:
    assert [rotated(["a", "b", "c"], turn) for turn in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_the_compared_stage_decides_what_is_on() -> None:
    assert parse(["--compare-bars", "first"]).plain
    assert not parse(["--compare-bars", "full"]).plain
    assert "native-o200k" in parse(["--compare-bars", "full"]).targets
    assert parse(["--compare-bars", "full", "--targets", "nginx"]).targets == ("nginx",)


def test_what_is_given_wins_over_quick() -> None:
    assert parse(["--quick"]).rounds == 2
    assert parse(["--quick", "--rounds", "3"]).rounds == 3
    assert parse([]).rounds == Options().rounds
    assert parse(["--targets", "nginx,native", "--peers"]).targets == (
        "nginx",
        "native",
        "litellm",
        "portkey",
    )
    assert parse(["--server-cpus", "0,1"]).workers == 2


def held(target: str, turn: int, held_rss_bytes: int, wrong: int = 0) -> HeldSample:
    return HeldSample(target, turn, 1000, 30_000_000, held_rss_bytes, wrong, 0, 0, None, None)


def test_translated_traffic_is_compared_with_the_nginx_before_the_same_provider() -> None:
    results = sample_results()
    for turn, (nginx, native) in enumerate([(5.0, 10.0), (4.0, 10.0), (5.0, 15.0)]):
        results.streams += [stream("nginx-anthropic", turn, nginx)]
        results.streams += [stream("native-chat-to-anthropic", turn, native)]
        results.streams += [stream("native-anthropic-to-chat", turn, 10.0)]
    found = figures(results)
    assert found["native-chat-to-anthropic"]["paced_ratio"] == 2.5
    assert found["native-anthropic-to-chat"]["paced_ratio"] == 2.0
    assert found["nginx-anthropic"]["paced_ratio"] == 1.0
    verdicts = {verdict.text: verdict for verdict in compare(found, "full")}
    (paced,) = (one for text, one in verdicts.items() if "translated paced stream" in text)
    assert (paced.measured, paced.holds) == (2.5, False)


def test_memory_of_a_stream_is_what_the_open_ones_added() -> None:
    results = sample_results()
    name = "native-chat-to-anthropic"
    for turn, kib in enumerate([10, 90, 40]):
        results.held.append(held(name, turn, 30_000_000 + 1000 * 1024 * kib, wrong=turn))
    found = figures(results)
    assert (found[name]["held_kib"], found[name]["held_streams"], found[name]["errors"]) == (40.0, 3000, 3)
    (verdict,) = (one for one in compare(found, "full") if "per open translated stream" in one.text)
    assert verdict.holds
    assert not [one for one in compare(found, "first") if "translated" in one.text]
    text = markdown(found, results, Options(), {}, [], "now")
    assert "| native-chat-to-anthropic | 40 | 30 | 71.0 | 3,000 | 3 |" in text


def test_translated_runs_choose_targets_and_measures_unless_they_are_given() -> None:
    options = parse(["--translated"])
    assert set(options.measures) == {"load", "paced", "held"}
    assert {"nginx-anthropic", "native-chat-to-anthropic", "native-anthropic"} <= set(options.targets)
    assert parse(["--translated", "--measures", "held"]).measures == ("held",)
    assert "held" not in parse([]).measures
    full = parse(["--compare-bars", "full"])
    assert "held" in full.measures
    assert {bar.target for bar in BARS} <= {*full.targets, "wheel"}
    assert "held" not in parse(["--compare-bars", "first"]).measures
    assert parse(["--compare-bars", "full", "--measures", "load"]).measures == ("load",)
