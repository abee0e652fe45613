"""The report: Markdown tables for people, JSON with every sample for everything else."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.bars import ERRORS, Verdict
from bench.figures import Figures
from bench.options import Options
from bench.runner import Results
from bench.samples import HeldSample, LoadSample, StreamSample

Column = tuple[str, str]
COUNTS = (
    ERRORS,
    "verified",
    "paced_streams",
    "paced_wrong",
    "unpaced_streams",
    "unpaced_wrong",
    "held_streams",
    "held_wrong",
)

LOAD: tuple[Column, ...] = (
    ("CPU µs/req", "load_cpu_us"),
    ("min", "load_cpu_min_us"),
    ("ratio to nginx", "load_ratio"),
    ("req/s", "requests_per_second"),
    ("p50 µs", "p50_us"),
    ("p99 µs", "p99_us"),
    ("p99.9 µs", "p999_us"),
    ("policy p50 µs", "policy_p50_us"),
    ("RSS MB", "rss_mb"),
    ("PSS MB", "pss_mb"),
    ("checked", "verified"),
    ("errors", ERRORS),
    ("foreign CPU", "foreign_share"),
)
IDLE: tuple[Column, ...] = (
    ("p50 µs (min)", "idle_p50_min_us"),
    ("p99 µs", "idle_p99_us"),
    ("added p50 µs (min)", "idle_added_us"),
    ("ratio to nginx's", "idle_added_ratio"),
    ("CPU µs/req", "idle_cpu_us"),
)
BOOKS: tuple[Column, ...] = (
    ("replies", "books_replies"),
    ("records", "books_records"),
    ("answered", "books_answered"),
    ("client gone", "books_client_gone"),
    ("other outcome", "books_unsettled"),
    ("missing", "books_unrecorded"),
    ("too many", "books_surplus"),
    ("without usage or cost", "books_incomplete"),
)
WHEEL: tuple[Column, ...] = (("MB", "wheel_mb"),)
START: tuple[Column, ...] = (
    ("first answer s", "start_seconds"),
    ("min", "start_min_seconds"),
    ("idle RSS MB", "idle_rss_mb"),
    ("idle PSS MB", "idle_pss_mb"),
    ("idle CPU ms/s", "idle_cpu_ms_per_second"),
)
HELD: tuple[Column, ...] = (
    ("KiB/stream", "held_kib"),
    ("RSS MB before", "held_before_mb"),
    ("RSS MB with all open", "held_rss_mb"),
    ("streams", "held_streams"),
    ("wrong", "held_wrong"),
)


def stream_columns(kind: str) -> tuple[Column, ...]:
    """The columns of one kind of stream."""
    return (
        ("CPU µs/chunk", f"{kind}_cpu_us"),
        ("min", f"{kind}_cpu_min_us"),
        ("ratio to nginx", f"{kind}_ratio"),
        ("first byte p50 µs", f"{kind}_first_p50_us"),
        ("whole p50 µs", f"{kind}_whole_p50_us"),
        ("whole p99 µs", f"{kind}_whole_p99_us"),
        ("streams", f"{kind}_streams"),
        ("wrong", f"{kind}_wrong"),
    )


def number(value: float | None) -> str:
    """Three significant digits, whole numbers in full, a dash for nothing."""
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"


def table(figures: Mapping[str, Figures], columns: Sequence[Column]) -> list[str]:
    """A Markdown table of the targets that have any of the columns; empty when none has."""
    rows = [
        f"| {name} | " + " | ".join(number(values.get(key)) for _, key in columns) + " |"
        for name, values in figures.items()
        if any(values.get(key) is not None for _, key in columns if key not in COUNTS)
    ]
    if not rows:
        return []
    head = "| target | " + " | ".join(title for title, _ in columns) + " |"
    return [head, "|---|" + "---:|" * len(columns), *rows, ""]


def markdown(
    figures: Mapping[str, Figures],
    results: Results,
    options: Options,
    versions: Mapping[str, str],
    verdicts: Sequence[Verdict],
    when: str,
) -> str:
    """The whole report."""
    cpus = f"servers on CPU {list(options.server_cpus)}, load and upstream on {list(options.load_cpus)}"
    lines = [
        f"# Benchmark {when}{' · ' + options.label if options.label else ''}",
        "",
        " · ".join(f"{name} {version}" for name, version in versions.items()),
        "",
        f"{options.rounds} interleaved rounds; {cpus}; {options.workers} worker(s). "
        f"Upstream: {results.upstream}. Gateway: {'key and price' if options.plain else 'everything'} on; "
        f"config appended: {options.config_extra or 'nothing'}. "
        f"nginx access log {'on' if options.nginx_access_log else 'off'}. Medians over rounds unless a "
        "column says min; ratios are to nginx in the same round (before an Anthropic provider to "
        "nginx-anthropic), then their median.",
        "",
    ]
    streams = f"{options.streams} at a time, {options.chunks} events"
    sections = (
        (f"{options.connections} connections, 1 KB request, JSON reply, {options.seconds} s a run", LOAD),
        (f"One idle connection, {options.idle_requests} round trips a round", IDLE),
        (f"Paced streams: {streams}, {options.gap_ms:g} ms apart", stream_columns("paced")),
        (f"Unpaced streams: {streams}", stream_columns("unpaced")),
        (f"{options.held_streams} streams held open by a fresh start", HELD),
        ("Start", START),
        ("Records of requests, all measures", BOOKS),
        ("Wheel", WHEEL),
    )
    for title, columns in sections:
        body = table(figures, columns)
        if body:
            lines += [f"## {title}", "", *body]
    counted: list[LoadSample | StreamSample | HeldSample] = [*results.load, *results.streams, *results.held]
    problems = [f"{sample.target}: {sample.problem}" for sample in counted if sample.problem]
    problems += [
        f"{idle.target}: {idle.books.problem}" for idle in results.idle if idle.books and idle.books.problem
    ]
    problems += [f"{failure.target}, {failure.measure}: {failure.message}" for failure in results.failures]
    if problems:
        lines += [
            "## Problems",
            "",
            *(f"* {problem.splitlines()[0]}" for problem in dict.fromkeys(problems)),
            "",
        ]
    if verdicts:
        lines += [
            f"## Bars, stage `{options.compare_bars}`",
            "",
            "```",
            *(verdict.line() for verdict in verdicts),
            "```",
            "",
        ]
    return "\n".join(lines)


def write(
    directory: Path,
    figures: Mapping[str, Figures],
    results: Results,
    options: Options,
    versions: Mapping[str, str],
    verdicts: Sequence[Verdict],
    when: str,
) -> Path:
    """Write both reports; the path of the Markdown one."""
    directory.mkdir(parents=True, exist_ok=True)
    name = when.replace(":", "").replace(" ", "-") + (f"-{options.label}" if options.label else "")
    document = {
        "when": when,
        "options": options.as_dict(),
        "versions": dict(versions),
        "figures": {target: dict(values) for target, values in figures.items()},
        "bars": [
            {"text": one.text, "limit": one.limit, "measured": one.measured, "holds": one.holds}
            for one in verdicts
        ],
        "samples": asdict(results),
    }
    (directory / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    path = directory / f"{name}.md"
    path.write_text(markdown(figures, results, options, versions, verdicts, when))
    return path
