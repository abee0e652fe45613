"""A provider fails for a minute: `python -m bench.simulate_resilience`.

In virtual time, with the engine's own attempts, breakers and retry budgets (`rust/core/src/resilience`),
beside the same without a breaker and beside plain retries. Prints a table, in which every figure is the worst
of all seeds, and draws the calls that the failing provider gets, second by second.
`docs/resilience-simulation.md` explains both.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict

from bench.svg import Panel, chart
from fastgate._core import simulate_resilience

ROOT = Path(__file__).parents[1]
PLOT = ROOT / "docs" / "images" / "resilience-simulation.svg"
VARIANTS = ("fastgate", "no_breaker", "plain_retries")
FAILURES = {"error": "status 500", "hang": "no answer"}
SHARES_PERMILLE = (50, 300, 1000)
RETURN_LIMIT_MS = 30_000
BEFORE_S, OUTAGE_S, AFTER_S = 20, 60, 40


class Report(TypedDict):
    """What a run of the simulation tells; `Report` in `simulation/report.rs` says what each means."""

    variant: str
    failure: str
    failing_permille: int
    requests: int
    answered: int
    outage_requests: int
    outage_answered: int
    outage_first_calls: int
    outage_retries: int
    outage_retries_allowed: int
    outage_p50_ms: int
    outage_p99_ms: int
    before_p99_ms: int
    left_after_ms: int | None
    returned_after_ms: int | None
    primary_calls: list[int]
    unanswered: list[int]


def settings() -> dict[str, Any]:
    """The gateway's defaults, as the core's own tests have them."""
    tables = json.loads((ROOT / "rust" / "core" / "tests" / "tables.json").read_text())
    found: dict[str, Any] = tables["resilience"]
    return found


def run(variant: str, failure: str, failing_permille: int, seed: int, resilience: dict[str, Any]) -> Report:
    """One run of the scenario that the manual describes."""
    scenario = {
        "variant": variant,
        "seed": seed,
        "requests_per_second": 1000,
        "before_s": BEFORE_S,
        "outage_s": OUTAGE_S,
        "after_s": AFTER_S,
        "failing_permille": failing_permille,
        "failure": failure,
        "error_ms": 50,
        "first_content_ms": [400, 600],
        "first_content_limit_ms": 5000,
        "budget_ms": 12_000,
        "resilience": resilience,
    }
    report: Report = json.loads(simulate_resilience(json.dumps(scenario).encode()))
    return report


def worst(values: Iterable[int | None]) -> int | None:
    """The largest; None, for never, is larger than all."""
    found = list(values)
    known = [value for value in found if value is not None]
    return max(known) if len(known) == len(found) else None


def row(reports: Sequence[Report]) -> list[str]:
    """A line of the table out of the runs of one scenario with several seeds."""
    first = reports[0]

    def most(value: Callable[[Report], int | None]) -> int | None:
        return worst(value(report) for report in reports)

    answered = min(report["outage_answered"] / report["outage_requests"] for report in reports)
    retries = max(reports, key=lambda report: report["outage_retries"] / report["outage_retries_allowed"])
    return [
        f"{first['failing_permille'] / 10:g} %, {FAILURES[first['failure']]}",
        f"`{first['variant']}`",
        share(answered),
        f"{retries['outage_retries']:,} / {retries['outage_retries_allowed']:,}",
        f"{most(lambda report: report['outage_p50_ms']):,}",
        f"{most(lambda report: report['outage_p99_ms']):,}",
        seconds(most(lambda report: report["left_after_ms"]), "stays"),
        seconds(most(lambda report: report["returned_after_ms"]), "never"),
    ]


def seconds(time_ms: int | None, none: str) -> str:
    """A time in seconds, or the word for there being none."""
    return none if time_ms is None else f"{time_ms / 1000:.1f} s"


def share(value: float) -> str:
    """A share in percent that says 100 only where nothing is missing."""
    return "100 %" if value == 1 else f"{int(value * 10_000) / 100:.2f} %"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    head = (
        "failing",
        "variant",
        "answered",
        "retries / allowed",
        "p50 ms",
        "p99 ms",
        "left after",
        "back after",
    )
    lines = [head, ("---", "---", *["---:"] * (len(head) - 2)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def broken(reports: Iterable[Report]) -> list[str]:
    """What the gateway promises and these runs of it did not keep."""
    found = []
    for report in reports:
        name = f"{report['failing_permille'] / 10:g} %, {FAILURES[report['failure']]}"
        if report["outage_retries"] > report["outage_retries_allowed"]:
            found.append(f"{name}: {report['outage_retries']} retries")
        if report["returned_after_ms"] is None or report["returned_after_ms"] > RETURN_LIMIT_MS:
            found.append(f"{name}: back after {report['returned_after_ms']} ms")
        if report["answered"] != report["requests"]:
            found.append(f"{name}: {report['requests'] - report['answered']} requests without an answer")
    return found


def main() -> int:
    """Run, print, draw; exit 1 if the gateway broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m bench.simulate_resilience")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each scenario (default %(default)s)")
    parser.add_argument("--plot", type=Path, default=PLOT, help="where the SVG goes")
    given = parser.parse_args()
    resilience, rows, panels, own = settings(), [], [], []
    for failing in SHARES_PERMILLE:
        in_row = []
        for failure, how in FAILURES.items():
            lines = []
            for variant in VARIANTS:
                reports = [run(variant, failure, failing, seed, resilience) for seed in range(given.seeds)]
                rows.append(row(reports))
                lines.append(reports[0]["primary_calls"])
                own += reports if variant == "fastgate" else []
            in_row.append(Panel(f"{failing / 10:g} %, {how}", lines, (BEFORE_S, BEFORE_S + OUTAGE_S)))
        panels.append(in_row)
    print(table(rows))
    given.plot.parent.mkdir(parents=True, exist_ok=True)
    given.plot.write_text(
        chart("Calls of the failing provider per second, at 1,000 requests per second", VARIANTS, panels)
    )
    print(f"\n{given.plot}")
    for problem in broken(own):
        print(f"broken: {problem}")
    return int(bool(broken(own)))


if __name__ == "__main__":
    raise SystemExit(main())
