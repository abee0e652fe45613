"""Drills and their reports as text."""

from collections.abc import Sequence
from typing import Any

from fastgate.billing import money
from fastgate.cli.columns import Row, table
from fastgate.moments import moment

MODELS_SHOWN = 20


def drill_line(drill: dict[str, Any]) -> str:
    """One drill: whose traffic, how much, until when."""
    names = [
        f"{kind} {', '.join(drill[key])}"
        for kind, key in (("tenant", "tenants"), ("feature", "features"))
        if drill[key] is not None
    ]
    of = f" of {' and '.join(names)}" if names else ""
    times = f"{moment(drill['starts_unix_ms'])} to {moment(drill['ends_unix_ms'])}"
    guard = f"stops above {drill['error_share']} failed of at least {drill['minimum_exchanges']}"
    return f"{drill['id']}: {drill['percent']} % of {drill['provider']}{of}, {times}; {guard}"


def drills_text(drills: list[dict[str, Any]]) -> str:
    """All drills, a line each."""
    if not drills:
        return "no drills"
    rows: list[Row] = [
        (
            "id",
            "state",
            "provider",
            "share",
            "tenants",
            "features",
            "until",
            "exchanges",
            "forced",
            "failed",
            "",
        )
    ]
    rows += [
        (
            drill["id"],
            drill["state"],
            drill["provider"],
            f"{drill['percent']} %",
            _list(drill["tenants"]),
            _list(drill["features"]),
            moment(drill["ended_unix_ms"] or drill["ends_unix_ms"]),
            _number(drill["exchanges"]),
            _number(drill["forced"]),
            _number(drill["failed"]),
            drill["why"] or "",
        )
        for drill in drills
    ]
    return table(rows, right={7, 8, 9})


def report_text(report: dict[str, Any]) -> str:
    """A report: what fell back where, the exchanges beside others, what broke."""
    drill = report["drill"]
    state = f"{report['state']}: {report['why']}" if report["why"] else "still running"
    parts = [
        f"{drill_line(drill)}\n{state}; report as of {moment(report['made_unix_ms'])}",
        _fallbacks(report["fallbacks"], report["forced"]),
    ]
    models = report["models"]
    parts += [_model(model) for model in models[:MODELS_SHOWN]]
    if len(models) > MODELS_SHOWN:
        parts.append(f"{len(models) - MODELS_SHOWN} more models: --json")
    if not models:
        parts.append("no exchange belonged to the drill")
    parts.append(_broke(report["broke"]))
    if report["unreadable_records"]:
        parts.append(f"{report['unreadable_records']} records could not be read: fastgate spool check")
    return "\n\n".join(parts)


def _fallbacks(fallbacks: list[dict[str, Any]], forced: int) -> str:
    if not fallbacks:
        return "nothing was forced"
    rows: list[Row] = [("  from", "to", "exchanges", "answered")]
    rows += [
        (
            f"  {way['from']}",
            way["to"] or "nowhere",
            _number(way["exchanges"]),
            _number(way["answered"]),
        )
        for way in fallbacks
    ]
    return f"what fell back where ({_number(forced)} exchanges)\n{table(rows, right={2, 3})}"


def _model(model: dict[str, Any]) -> str:
    drilled, other = model["with"], model["without"]
    sides = [drilled] if other is None else [drilled, other]
    headings = ["  ", "drill"] if other is None else ["  ", "drill", "without"]
    rows: list[Row] = [
        headings,
        ["  exchanges", *(_number(side["exchanges"]) for side in sides)],
        ["  answered", *(_share(side["answered_permille"]) for side in sides)],
        ["  p50", *(_time(side["total_p50_us"]) for side in sides)],
        ["  p99", *(_time(side["total_p99_us"]) for side in sides)],
        ["  first content p50", *(_time(side["first_content_p50_us"]) for side in sides)],
        ["  cost per exchange", *(_usd(side["cost_per_exchange_pusd"]) for side in sides)],
    ]
    outcomes = dict.fromkeys(outcome for side in sides for outcome in side["failures"])
    rows += [
        [f"  {outcome}", *(_number(side["failures"].get(outcome, 0)) for side in sides)]
        for outcome in outcomes
    ]
    beside = f"beside {model['compared_with']}" if other is not None else "nothing to compare with"
    return f"{model['model']}, {beside}\n{table(rows, right={1, 2})}"


def _broke(broke: list[dict[str, Any]]) -> str:
    if not broke:
        return "nothing broke"
    rows: list[Row] = [("  outcome", "fault", "exchanges", "request ids")]
    rows += [
        (f"  {found['outcome']}", found["fault"], _number(found["exchanges"]), " ".join(found["request_ids"]))
        for found in broke
    ]
    return f"what was not answered\n{table(rows, right={2})}"


def _list(names: Sequence[str] | None) -> str:
    return "all" if names is None else ", ".join(names)


def _number(number: int) -> str:
    return f"{number:,}"


def _share(thousandths: int | None) -> str:
    return "-" if thousandths is None else f"{thousandths // 10}.{thousandths % 10} %"


def _time(microseconds: int | None) -> str:
    if microseconds is None:
        return "-"
    return f"{microseconds / 1000:,.1f} ms" if microseconds < 10_000_000 else f"{microseconds / 1e6:,.1f} s"


def _usd(picodollars: int | None) -> str:
    return "-" if picodollars is None else money.shown(picodollars, 6)
