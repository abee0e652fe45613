"""The table of a report of costs: which columns there are, and which are left out where it is narrow."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from fastgate.billing.money import decimals_for, shown
from fastgate.billing.reports.report import Report
from fastgate.billing.reports.rows import Row
from fastgate.cli import terminal
from fastgate.cli.columns import table
from fastgate.cli.terminal import Shown, sparkline

WIDEST_NAME, NARROWEST_NAME = 32, 12
_GAP = 2
_UNITS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
NOTHING = "-"


class Column(msgspec.Struct, frozen=True):
    """A column of numbers: what it is called, what it holds, and when it goes."""

    heading: str
    cells: Callable[[list[Row]], list[str]]
    rank: int
    """Where it is too narrow, the highest ranks are left out first; 0 stays."""
    has: Callable[[Report], bool] = lambda report: True
    is_left: bool = False


def costs_table(report: Report, width: int) -> list[str]:
    """Lines: a heading, the groups, the others, and last the total."""
    rows = [*report.groups, *([report.others] if report.others else []), report.total]
    columns = [column for column in COLUMNS if column.has(report)]
    cells = {column.heading: column.cells(rows) for column in columns}
    if report.parts:
        columns.append(Column("trend", lambda rows: [spark(report, each) for each in rows], 4, is_left=True))
        cells["trend"] = columns[-1].cells(rows)
        columns.append(CHANGE)
        cells["change"] = CHANGE.cells(rows)
    names = [_names(report, n) for n in range(len(rows))]
    longest = [
        max(map(len, [by, *column])) for by, column in zip(report.by, zip(*names, strict=True), strict=True)
    ]
    taken = _taken(columns, cells)
    while taken + sum(min(each, NARROWEST_NAME) + _GAP for each in longest) - _GAP > width:
        removable = [column for column in columns if column.rank]
        if not removable:
            break
        columns.remove(max(removable, key=lambda column: column.rank))
        taken = _taken(columns, cells)
    room = _shared(longest, width - taken - _GAP * (len(longest) - 1))
    heads = [*report.by, *(column.heading for column in columns)]
    body = [
        [
            *(terminal.name(each, most) for each, most in zip(names[n], room, strict=True)),
            *(cells[column.heading][n] for column in columns),
        ]
        for n in range(len(rows))
    ]
    right = {len(room) + n for n, column in enumerate(columns) if not column.is_left}
    return table([heads, *body], right).splitlines()


def _taken(columns: Sequence[Column], cells: Mapping[str, list[str]]) -> int:
    """How wide columns are, with the gap before each."""
    return sum(max(map(len, (column.heading, *cells[column.heading]))) + _GAP for column in columns)


def _shared(longest: Sequence[int], width: int) -> list[int]:
    """Width for every column of names: what is there goes to those that are cut most."""
    wanted = [min(each, WIDEST_NAME) for each in longest]
    given = [min(each, NARROWEST_NAME) for each in wanted]
    while sum(given) < width and given != wanted:
        missing = [want - have for want, have in zip(wanted, given, strict=True)]
        given[missing.index(max(missing))] += 1
    return given


def count(number: int) -> str:
    """A number of things: in full up to 9,999, else to three digits."""
    for unit, suffix in _UNITS:
        if number >= 10 * unit if unit == 1000 else number >= unit:
            tenths = number * 10 // unit
            return f"{tenths // 10:,}{suffix}" if tenths >= 1000 else f"{tenths // 10}.{tenths % 10}{suffix}"
    return f"{number:,}"


def percent(permille: int | None, sign: str = "") -> str:
    """A share in percent; tenths where it is small. `sign`: `+` to show it also where it is not negative."""
    if permille is None:
        return NOTHING
    if abs(permille) >= 9_995_000:
        return ">999k %" if permille > 0 else "<-999k %"
    if abs(permille) < 100 and permille % 10:
        return f"{'-' if permille < 0 else sign}{abs(permille) // 10}.{abs(permille) % 10} %"
    whole = (abs(permille) + 5) // 10
    return f"{'-' if permille < 0 and whole else sign}{whole:,} %"


def named(value: str | None, dimension: str, most: int) -> Shown:
    """A group's name, or that it has none."""
    return terminal.name(f"(no {dimension})" if value is None else value, most)


def spark(report: Report, row: Row) -> str:
    """Cost over time; by its length, so that a last part that is shorter is no drop."""
    if row.trend_pusd is None:
        return ""
    ends = [*report.parts[1:], min(report.period.until_unix_s, report.made_unix_s)]
    first = report.first_unix_s or 0
    return sparkline(
        [
            None if end <= first else cost * 3600 // max(3600, end - max(begin, first))
            for begin, end, cost in zip(report.parts, ends, row.trend_pusd, strict=True)
        ]
    )


def _names(report: Report, n: int) -> list[Shown]:
    if n < len(report.groups):
        group = report.groups[n].group
        return [named(value, by, WIDEST_NAME) for value, by in zip(group, report.by, strict=True)]
    others = report.others is not None and n == len(report.groups)
    label = f"{report.others_count:,} others" if others else "total"
    return [Shown(label), *([Shown("")] * (len(report.by) - 1))]


def _cost(rows: list[Row]) -> list[str]:
    decimals = _decimals([row.cost_pusd for row in rows])
    return [
        "unknown"
        if row.cost_pusd is None
        else f"{'≥ ' if row.unknown_cost_attempts else ''}{shown(row.cost_pusd, decimals)}"
        for row in rows
    ]


def _margin(rows: list[Row]) -> list[str]:
    decimals = _decimals([row.margin_pusd for row in rows])
    return [
        NOTHING
        if row.margin_pusd is None
        else f"{'≤ ' if row.unknown_cost_attempts else ''}{shown(row.margin_pusd, decimals)}"
        for row in rows
    ]


def _amounts(of: Callable[[Row], int | None]) -> Callable[[list[Row]], list[str]]:
    def cells(rows: list[Row]) -> list[str]:
        values = [of(row) for row in rows]
        decimals = _decimals(values)
        return [NOTHING if value is None else shown(value, decimals) for value in values]

    return cells


def _decimals(values: Sequence[int | None]) -> int:
    return decimals_for([value for value in values if value is not None])


def _change(rows: list[Row]) -> list[str]:
    return [
        "new" if row.previous_cost_pusd == 0 and row.cost_pusd else percent(row.change_permille, "+")
        for row in rows
    ]


def _has_revenue(report: Report) -> bool:
    return report.total.revenue_pusd is not None


COLUMNS = (
    Column("requests", lambda rows: [count(row.requests) for row in rows], 2),
    Column("tokens", lambda rows: [count(row.input_tokens() + row.output_tokens()) for row in rows], 6),
    Column("cost", _cost, 0),
    Column("revenue", _amounts(lambda row: row.revenue_pusd), 0, _has_revenue),
    Column("margin", _margin, 0, _has_revenue),
    Column("%", lambda rows: [percent(row.margin_permille) for row in rows], 1, _has_revenue),
    Column("/request", _amounts(lambda row: row.cost_per_request_pusd), 3),
    Column(
        "/session",
        _amounts(lambda row: row.cost_per_session_pusd),
        5,
        lambda report: bool(report.total.sessions),
    ),
)
CHANGE = Column("change", _change, 3)
