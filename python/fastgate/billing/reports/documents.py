"""A report for programs: JSON and CSV with stable names, units at their end (docs/costs.md).

Every amount is there twice: `_pusd` is an integer, `_usd` the same as decimal text. Shares are thousandths.
"""

import csv
import io
from typing import Any

import msgspec

from fastgate.billing.money import exact, permille
from fastgate.billing.reports.report import Report
from fastgate.billing.reports.rows import Row, fields
from fastgate.moments import rfc3339

VERSION = 1
_PUSD, _UNIX_S = "_pusd", "_unix_s"
# What a spreadsheet would run, and what marks that it must not.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTE = "'"


def document(report: Report) -> dict[str, Any]:
    """The report as plain values, for JSON."""
    total = report.total
    return {
        "v": VERSION,
        "by": list(report.by),
        "since": rfc3339(report.period.since_unix_s),
        "until": rfc3339(report.period.until_unix_s),
        "time_zone": report.period.time_zone,
        "made": rfc3339(report.made_unix_s),
        "ledger_since": None if report.first_unix_s is None else rfc3339(report.first_unix_s),
        "groups": [{"group": _names(report, found), **_row(found)} for found in report.groups],
        "others": None if report.others is None else {"groups": report.others_count, **_row(report.others)},
        "total": _row(total),
        "trend_begins": [rfc3339(begin) for begin in report.parts],
        "context": {
            "context_tokens": total.context_tokens(),
            "input_tokens": total.input_tokens(),
            "share_permille": permille(total.context_tokens(), total.input_tokens()),
        },
        "waste": [_plain(found) for found in report.waste],
        "anomalies": [_plain(found) for found in report.anomalies],
        "anomalies_of": {"judged": report.judged_features, "too_little_history": report.young_features},
        "budgets": [_plain(found) for found in report.budgets],
        "budgets_left_out": report.budgets_left_out,
        "notes": report.notes,
    }


def csv_text(report: Report) -> str:
    """The groups, then what is left, then the total, told apart by the first column.

    A cell without a value is empty. A name that a spreadsheet would take for a formula, or that begins with
    an apostrophe, has an apostrophe before it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    columns = list(fields(report.total))
    writer.writerow(["row", *report.by, *columns])
    for found in report.groups:
        writer.writerow(["group", *map(_name_cell, found.group), *_cells(found)])
    nobody = [""] * len(report.by)
    if report.others is not None:
        writer.writerow(["others", *nobody, *_cells(report.others)])
    writer.writerow(["total", *nobody, *_cells(report.total)])
    return stream.getvalue()


def _cells(found: Row) -> list[str]:
    return [_cell(value) for value in fields(found).values()]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name_cell(name: str | None) -> str:
    if name is None:
        return ""
    return f"{_QUOTE}{name}" if not name or name.startswith((*_FORMULA, _QUOTE)) else name


def _names(report: Report, found: Row) -> dict[str, str | None]:
    return dict(zip(report.by, found.group, strict=True))


def _row(found: Row) -> dict[str, Any]:
    return {**fields(found), "trend_pusd": found.trend_pusd}


def _plain(struct: msgspec.Struct) -> dict[str, Any]:
    """A struct's fields; amounts in USD too, moments as text."""
    found: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(struct).items():
        if name.endswith(_UNIX_S):
            found[name.removesuffix(_UNIX_S)] = None if value is None else rfc3339(value)
            continue
        found[name] = value
        if name.endswith(_PUSD):
            found[f"{name.removesuffix(_PUSD)}_usd"] = None if value is None else exact(value)
    return found
