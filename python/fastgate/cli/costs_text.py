"""A report of costs as text: the table, then waste, unusual days, budgets, and what there is to know."""

import re
from collections.abc import Iterator, Sequence

from fastgate.billing.money import decimals_for, shown
from fastgate.billing.reports.anomalies import HISTORY_DAYS, LEAST_DAYS, Anomaly
from fastgate.billing.reports.budgets import Budget
from fastgate.billing.reports.periods import shown as moment
from fastgate.billing.reports.report import Report
from fastgate.billing.reports.waste import Waste
from fastgate.cli.columns import Row, table
from fastgate.cli.costs_table import NOTHING, costs_table, count, named, percent
from fastgate.cli.terminal import Shown, Style, bar, name

ANOMALIES_SHOWN = BUDGETS_SHOWN = 10
_BAR = 10
_NAME, _SHORTEST_NAME = 24, 12
_WORDS = {
    "failed_attempts": "failed attempts",
    "unanswered_requests": "unanswered requests",
    "truncated_answers": "truncated answers",
    "repeated_prompts": "repeated prompts",
    "debug_features": "debug features",
}
# What an amount below nothing looks like in a table.
_LOSS = re.compile(r"-<?\$[\d,.]+")


def costs_text(report: Report, style: Style, width: int) -> str:
    """Everything, in blocks."""
    blocks = ["\n".join(block) for block in _blocks(report, style, width) if block]
    return "\n\n".join(blocks)


def _blocks(report: Report, style: Style, width: int) -> Iterator[list[str]]:
    yield [style.bold(title(report))]
    yield _table(report, style, width)
    if report.total.requests or report.total.cost_pusd:
        yield _usage(report, style)
        yield _waste(report, style)
        yield _anomalies(report, style, width)
    yield _budgets(report, style, width)
    yield [style.dim(f"note: {note}") for note in report.notes]


def title(report: Report) -> str:
    """What it is about."""
    zone = report.period.time_zone
    since, until = moment(report.period.since_unix_s, zone), moment(report.period.until_unix_s, zone)
    return f"Costs by {', '.join(report.by)}: {since} to {until}, {zone}"


def _table(report: Report, style: Style, width: int) -> list[str]:
    head, *rows, total = costs_table(report, width)
    widest = max(len(Shown(line)) for line in (head, *rows, total))
    return [
        style.dim(head),
        *(_LOSS.sub(lambda loss: style.red(loss[0]), line) for line in rows),
        style.dim("─" * widest),
        style.bold(total),
    ]


def _usage(report: Report, style: Style) -> list[str]:
    total = report.total
    sessions = f" in {count(total.sessions)} sessions" if total.sessions else ""
    each = [
        f"{shown(amount, decimals_for([amount]))} a {unit}"
        for unit, amount in (
            ("request", total.cost_per_request_pusd),
            ("session", total.cost_per_session_pusd),
        )
        if amount is not None
    ]
    requests = f"{count(total.requests)} requests{sessions}" + (f": {', '.join(each)}" if each else "")
    context, whole = total.context_tokens(), total.input_tokens()
    kept = f", {percent(_permille(context, whole))} of it cached context" if context else ""
    reasoning = total.tokens["reasoning_tokens"]
    thought = f", {count(reasoning)} of it reasoning" if reasoning else ""
    saved = f"; {shown(total.saved_pusd)} saved by caches" if total.saved_pusd else ""
    line = f"{count(whole)} tokens in{kept}; {count(total.output_tokens())} out{thought}{saved}"
    return [style.dim("usage"), f"  {requests}", f"  {line}"]


def _waste(report: Report, style: Style) -> list[str]:
    decimals = decimals_for([found.cost_pusd for found in report.waste])
    rows: list[Row] = [
        (
            f"  {_WORDS[found.kind]}",
            count(found.count),
            shown(found.cost_pusd, decimals),
            percent(found.share_permille),
            _of(found),
        )
        for found in report.waste
    ]
    return [
        style.dim("waste (a request can be in several lines)"),
        *table(rows, right={1, 2, 3}).splitlines(),
    ]


def _of(found: Waste) -> str:
    return name(", ".join(found.names), 40)


def _anomalies(report: Report, style: Style, width: int) -> list[str]:
    head = style.dim(f"unusual days (beside the same weekdays of the {HISTORY_DAYS} days before)")
    young = report.young_features
    little = f"{young:,} with too little history ({LEAST_DAYS} days)"
    if not report.anomalies:
        if not report.judged_features:
            return [head, f"  too little history: it takes {LEAST_DAYS} days"]
        features = f"{report.judged_features:,} feature{'' if report.judged_features == 1 else 's'}"
        return [head, f"  none in {features}" + (f"; {little}" if young else "")]
    told = report.anomalies[:ANOMALIES_SHOWN]
    decimals = decimals_for([each.cost_pusd for each in told])
    amounts = [
        (shown(each.cost_pusd, decimals), f"usually {shown(each.usual_pusd, decimals)}", _off(each))
        for each in told
    ]
    room = width - _taken(amounts) - len("  2027-01-31  ")
    rows: list[Row] = [
        (f"  {each.day}", named(each.feature, "feature", min(_NAME, max(_SHORTEST_NAME, room))), *cells)
        for each, cells in zip(told, amounts, strict=True)
    ]
    lines = [head, *table(rows, right={2}).splitlines()]
    if len(report.anomalies) > len(told):
        lines.append(f"  {len(report.anomalies) - len(told):,} more: --format json")
    if young:
        lines.append(f"  {little}")
    return lines


def _off(found: Anomaly) -> str:
    tenths = abs(found.score_permille) // 100
    side = "above" if found.score_permille > 0 else "below"
    if tenths >= 10_000:
        return f"over 1,000 deviations {side}"
    return f"{tenths // 10}.{tenths % 10} deviations {side}"


def _budgets(report: Report, style: Style, width: int) -> list[str]:
    told = report.budgets[:BUDGETS_SHOWN]
    if not told:
        return []
    decimals = decimals_for([max(each.amount_pusd, each.spent_pusd) for each in told])
    rows: list[list[str]] = [["spent", "of", "", "", "at the end", ""]]
    rows += [
        [
            f"{'≥ ' if each.unknown_cost_attempts else ''}{shown(each.spent_pusd, decimals)}",
            f"{shown(each.amount_pusd, decimals)} a {each.period}",
            bar(each.spent_pusd, each.amount_pusd, _BAR).ljust(_BAR, "·"),
            percent(each.spent_permille),
            _end(each, decimals),
            _state(each),
        ]
        for each in told
    ]
    room = width - _taken(rows)
    if room < _NAME:
        rows = [[*row[:2], *row[3:]] for row in rows]
        room = max(_SHORTEST_NAME, width - _taken(rows))
    names = ["budgets", *(name(f"  {_whose(each)}", room) for each in told)]
    right = {1, 2, len(rows[0]) - 2, len(rows[0]) - 1}
    lines = table([[whose, *row] for whose, row in zip(names, rows, strict=True)], right).splitlines()
    lines = [
        style.dim(lines[0]),
        *(_coloured(line, each, style) for line, each in zip(lines[1:], told, strict=True)),
    ]
    more = len(report.budgets) - len(told) + report.budgets_left_out
    if more:
        lines.append(
            f"  {more:,} more, less used" + (": --format json" if not report.budgets_left_out else "")
        )
    return lines


def _taken(rows: Sequence[Sequence[str]]) -> int:
    """How wide columns are, with the gap before each."""
    return sum(max(map(len, column)) + 2 for column in zip(*rows, strict=True))


def _whose(budget: Budget) -> str:
    whose = ", ".join(value or "" for value in budget.identity.values())
    return f"{budget.rule}: {whose}" if whose else budget.rule


def _end(budget: Budget, decimals: int) -> str:
    forecast = budget.linear_pusd if budget.by_weekday_pusd is None else budget.by_weekday_pusd
    return NOTHING if forecast is None else shown(forecast, decimals)


def _state(budget: Budget) -> str:
    if budget.reached_unix_s is None:
        return "" if budget.state == "ok" else budget.state
    day, _, time = moment(budget.reached_unix_s, budget.time_zone).partition(" ")
    return f"spent at {time or '00:00'}" if budget.period == "day" else f"spent on {day}"


def _coloured(line: str, budget: Budget, style: Style) -> str:
    return style.red(line) if budget.state == "spent" else line


def _permille(part: int, whole: int) -> int | None:
    return part * 1000 // whole if whole else None
