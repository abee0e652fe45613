"""A report as a PNG, drawn by matplotlib (`pip install "fastgate[plots]"`).

Only here amounts become floats: as places on paper. Nothing is computed with them.
"""

import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastgate.billing.money import decimals_for
from fastgate.billing.money import shown as money
from fastgate.billing.reports.periods import shown
from fastgate.billing.reports.report import Report
from fastgate.errors import FastgateError

GROUPS_DRAWN, TIMES_DRAWN = 12, 62
_WIDTH_INCHES, _HEIGHT_INCHES, _DOTS_PER_INCH = 13, 6, 110
_NAME = 28
_COLOURS = (
    *("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#ff9da7", "#9c755f"),
    *("#bab0ac", "#1f77b4", "#8cd17d"),
)
_REVENUE, _OTHERS = "#2e7d32", "#d0d0d0"


class PlotFailed(FastgateError):
    """A picture that can't be made."""

    code = "plot_failed"


def draw(report: Report, file: Path) -> None:
    """Write the picture: cost and revenue of every group, and beside it the cost over time.

    Raises:
        PlotFailed: matplotlib is not installed, or the file can't be written.
    """
    try:
        figures = importlib.import_module("matplotlib.figure")
        matplotlib = importlib.import_module("matplotlib")
    except ModuleNotFoundError:
        raise PlotFailed(
            'a PNG takes matplotlib: pip install "fastgate[plots]"; `--plot terminal` draws without it'
        ) from None
    # Names come from anywhere: a dollar sign is no formula, and a font may lack their characters.
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure = figures.Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), layout="constrained")
        zone = report.period.time_zone
        since, until = (
            shown(each, zone) for each in (report.period.since_unix_s, report.period.until_unix_s)
        )
        figure.suptitle(f"Costs by {', '.join(report.by)}, {since} to {until}, {zone}")
        if report.parts:
            left, right = figure.subplots(1, 2)
            _over_time(right, report)
        else:
            left = figure.subplots()
        _groups(left, report)
        try:
            figure.savefig(file, format="png", dpi=_DOTS_PER_INCH)
        except OSError as error:
            raise PlotFailed(f"{file} can't be written: {error.strerror or error}") from None


def _groups(axes: Any, report: Report) -> None:
    drawn = report.groups[:GROUPS_DRAWN] if report.parts else report.groups[-TIMES_DRAWN:]
    places = range(len(drawn))
    axes.barh(
        [place - 0.2 for place in places],
        [_usd(found.cost_pusd or 0) for found in drawn],
        height=0.38,
        color=[_COLOURS[place % len(_COLOURS)] for place in places],
        label="cost",
    )
    decimals = decimals_for([found.cost_pusd or 0 for found in drawn])
    for place, found in zip(places, drawn, strict=True):
        if found.cost_pusd is not None:
            amount = money(found.cost_pusd, decimals)
            axes.text(_usd(max(0, found.cost_pusd)), place - 0.2, f" {amount}", va="center", fontsize="small")
    earned = [
        (place, found.revenue_pusd) for place, found in enumerate(drawn) if found.revenue_pusd is not None
    ]
    if earned:
        axes.barh(
            [place + 0.2 for place, _ in earned],
            [_usd(pusd) for _, pusd in earned],
            height=0.38,
            color=_REVENUE,
            alpha=0.55,
            label="revenue",
        )
        axes.legend(loc="lower right")
    labels = [
        _label(report, found.group) + ("" if found.cost_pusd is not None else " (unknown)") for found in drawn
    ]
    axes.set_yticks(list(places), labels)
    axes.invert_yaxis()
    axes.set_xlabel("USD")
    _bare(axes)


def _over_time(axes: Any, report: Report) -> None:
    begins = [shown(begin, report.period.time_zone) for begin in report.parts]
    places = list(range(len(begins)))
    drawn = report.groups[:GROUPS_DRAWN]
    rest = list(report.total.trend_pusd or [])
    below = [0.0] * len(begins)
    for n, found in enumerate(drawn):
        costs = found.trend_pusd or [0] * len(begins)
        rest = [left - cost for left, cost in zip(rest, costs, strict=True)]
        below = _stack(axes, places, costs, below, _COLOURS[n % len(_COLOURS)], _label(report, found.group))
    if any(rest):
        _stack(axes, places, rest, below, _OTHERS, "others")
    every = max(1, len(begins) // 6)
    axes.set_xticks(places[::every], begins[::every], rotation=20, ha="right")
    axes.set_ylabel("USD")
    if drawn:
        axes.legend(loc="upper left", fontsize="small")
    _bare(axes)


def _stack(axes: Any, places: list[int], costs: Sequence[int], below: list[float], *look: str) -> list[float]:
    colour, label = look
    heights = [_usd(cost) for cost in costs]
    axes.bar(places, heights, bottom=below, color=colour, label=label, width=0.85)
    return [base + height for base, height in zip(below, heights, strict=True)]


def _bare(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _label(report: Report, group: Sequence[str | None]) -> str:
    names = [f"(no {by})" if value is None else value for value, by in zip(group, report.by, strict=True)]
    text = "".join(each if each.isprintable() else "?" for each in " / ".join(names))
    # Labels that begin with an underscore are left out of legends.
    text = f" {text}" if text.startswith("_") else text
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"


def _usd(pusd: int) -> float:
    return pusd / 10**12
