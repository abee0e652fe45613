"""A report of costs as bars in a terminal: the groups side by side, and the total over time."""

from collections.abc import Sequence

from fastgate.billing.money import decimals_for, shown
from fastgate.billing.reports.periods import shown as moment
from fastgate.billing.reports.report import Report
from fastgate.cli.columns import Row, table
from fastgate.cli.costs_table import named
from fastgate.cli.costs_text import title
from fastgate.cli.terminal import Style, bar

_HEIGHT = 8
_NAME = 24
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def costs_plot(report: Report, style: Style, width: int) -> str:
    """The bars of every group, then a column for each part of the period."""
    blocks = [style.bold(title(report)), "\n".join(_groups(report, width))]
    if report.parts and report.total.trend_pusd and any(report.total.trend_pusd):
        blocks.append("\n".join(_time(report, report.total.trend_pusd, width)))
    blocks += [style.dim(f"note: {note}") for note in report.notes]
    return "\n\n".join(block for block in blocks if block)


def _groups(report: Report, width: int) -> list[str]:
    rows = [(_label(report, found.group), found.cost_pusd) for found in report.groups]
    if report.others is not None:
        rows.append((f"{report.others_count:,} others", report.others.cost_pusd))
    known = [cost for _, cost in rows if cost is not None]
    largest, decimals = max(known, default=0), decimals_for(known)
    amounts = ["unknown" if cost is None else shown(cost, decimals) for _, cost in rows]
    room = width - max((len(label) for label, _ in rows), default=0) - max(map(len, amounts), default=0) - 4
    cells: list[Row] = [
        (label, amount, bar(cost or 0, largest, max(10, room)))
        for (label, cost), amount in zip(rows, amounts, strict=True)
    ]
    return table(cells, right={1}).splitlines() if cells else []


def _label(report: Report, group: Sequence[str | None]) -> str:
    from fastgate.cli.terminal import name

    most = max(10, 2 * _NAME // len(group) - 3) if len(group) > 1 else _NAME
    parts = [named(value, by, most) for value, by in zip(group, report.by, strict=True)]
    return name(" / ".join(parts), 2 * _NAME)


def _time(report: Report, costs: Sequence[int], width: int) -> list[str]:
    zone = report.period.time_zone
    largest = max(costs)
    top = shown(largest, decimals_for([largest]))
    each = max(1, min(6, (width - len(top) - 3) // len(costs)))
    lines = []
    for level in range(_HEIGHT, 0, -1):
        cells = [_cell(cost, largest, level) * max(1, each - 1) + " " * (each > 1) for cost in costs]
        label = top if level == _HEIGHT else ""
        lines.append(f"{label.rjust(len(top))} │{''.join(cells)}".rstrip())
    first, last = moment(report.parts[0], zone), moment(report.parts[-1], zone)
    length = each * len(costs)
    lines.append(f"{'$0'.rjust(len(top))} └{'─' * length}")
    lines.append(f"{' ' * len(top)}  {first}{last.rjust(max(len(last) + 2, length - len(first)))}")
    return lines


def _cell(cost: int, largest: int, level: int) -> str:
    eighths = max(0, cost) * _HEIGHT * 8 // largest - (level - 1) * 8
    return _EIGHTHS[max(0, min(8, eighths))]
