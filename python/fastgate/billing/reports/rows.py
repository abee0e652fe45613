"""One row of a report: what a group used, what that cost, what it brought, and what is left.

A cost that nobody knows is None, never 0, and so is what follows from it. Where only a part is known, the
cost is that part, `unknown_cost_attempts` says so, and a margin is at most what it says.
"""

from typing import TYPE_CHECKING, Any

import msgspec

from fastgate.billing.money import divided, exact, permille
from fastgate.billing.reports.revenue import Group

if TYPE_CHECKING:
    from fastgate.billing.ledger import Summary

INPUT = ("input_tokens", "input_audio_tokens", "input_image_tokens")
CACHED = ("cache_read_tokens", "cache_read_audio_tokens", "cache_read_image_tokens")
CACHE_WRITES = ("cache_write_5m_tokens", "cache_write_1h_tokens", "cache_write_other_tokens")
OUTPUT = ("output_tokens", "reasoning_tokens", "output_audio_tokens", "output_image_tokens")
TOKENS = (*INPUT[:1], *CACHED[:1], *CACHE_WRITES, *INPUT[1:], *CACHED[1:], *OUTPUT)
_USD = "_pusd"


class Row(msgspec.Struct, kw_only=True):
    """A group of a report. Money in picodollars; None: nobody knows, or there is nothing to divide by."""

    group: Group
    """Values of the report's dimensions; empty for a total."""
    requests: int
    attempts: int
    failed_requests: int
    sessions: int | None
    sessions_are_estimated: bool
    tokens: dict[str, int]
    """By class, all classes."""
    cost_pusd: int | None
    unknown_cost_attempts: int
    list_cost_pusd: int | None
    saved_pusd: int
    estimated_cost_pusd: int
    corrections_pusd: int
    failed_attempts: int
    failed_attempts_cost_pusd: int
    unanswered_requests: int
    """Requests that ended otherwise than with an answer, and cost all the same."""
    unanswered_cost_pusd: int
    truncated_requests: int
    truncated_cost_pusd: int
    repeated_requests: int
    repeated_cost_pusd: int
    revenue_pusd: int | None = None
    previous_cost_pusd: int | None = None
    """Of the period before; None where the ledger does not go back so far."""
    cost_per_session_pusd: int | None = None
    trend_pusd: list[int] | None = None
    """Costs of equal parts of the period, the oldest first."""

    @property
    def margin_pusd(self) -> int | None:
        """What is left of the revenue."""
        if self.revenue_pusd is None or self.cost_pusd is None:
            return None
        return self.revenue_pusd - self.cost_pusd

    @property
    def margin_permille(self) -> int | None:
        """The margin as a share of the revenue."""
        if self.margin_pusd is None or self.revenue_pusd is None:
            return None
        return permille(self.margin_pusd, self.revenue_pusd)

    @property
    def cost_per_request_pusd(self) -> int | None:
        """Rounded to the picodollar."""
        if self.cost_pusd is None or not self.requests:
            return None
        return divided(self.cost_pusd, self.requests)

    @property
    def change_permille(self) -> int | None:
        """By which share of it the cost differs from that of the period before."""
        if self.cost_pusd is None or self.previous_cost_pusd is None:
            return None
        return permille(self.cost_pusd - self.previous_cost_pusd, self.previous_cost_pusd)

    def input_tokens(self) -> int:
        """Input of every class."""
        return sum(self.tokens[name] for name in (*INPUT, *CACHED, *CACHE_WRITES))

    def context_tokens(self) -> int:
        """Input that providers say was kept from, or for, another request."""
        return sum(self.tokens[name] for name in (*CACHED, *CACHE_WRITES))

    def output_tokens(self) -> int:
        """Output of every class."""
        return sum(self.tokens[name] for name in OUTPUT)


def row(summary: "Summary", group: Group) -> Row:
    """What the ledger says of a group."""
    is_known = summary.cost_pusd != 0 or not summary.unknown_cost_requests
    return Row(
        group=group,
        requests=summary.requests,
        attempts=summary.attempts,
        failed_requests=summary.failed_requests,
        sessions=summary.sessions,
        sessions_are_estimated=summary.is_sessions_estimated,
        tokens={name: getattr(summary, name) for name in TOKENS},
        cost_pusd=summary.cost_pusd if is_known else None,
        unknown_cost_attempts=summary.unknown_cost_requests,
        list_cost_pusd=summary.list_cost_pusd if is_known else None,
        saved_pusd=summary.saved_pusd,
        estimated_cost_pusd=summary.estimated_cost_pusd,
        corrections_pusd=summary.corrections_pusd,
        failed_attempts=summary.failed_attempts,
        failed_attempts_cost_pusd=summary.failed_attempts_cost_pusd,
        unanswered_requests=summary.unanswered_requests,
        unanswered_cost_pusd=summary.unanswered_cost_pusd,
        truncated_requests=summary.truncated_requests,
        truncated_cost_pusd=summary.truncated_cost_pusd,
        repeated_requests=summary.repeated_requests,
        repeated_cost_pusd=summary.repeated_cost_pusd,
    )


def nobodys(group: Group) -> Row:
    """A group without a request, for revenue that was imported."""
    from fastgate.billing.ledger import Summary

    return row(Summary(group=group, sessions=0), group)


def merged(rows: list[Row], group: Group) -> Row:
    """Several rows as one. How many sessions they have together is not known from them."""
    found = msgspec.structs.replace(
        nobodys(group),
        sessions=None,
        tokens={name: sum(each.tokens[name] for each in rows) for name in TOKENS},
    )
    for name in _ADDED if rows else ():
        known = [amount for each in rows if (amount := getattr(each, name)) is not None]
        setattr(found, name, sum(known) if known else None)
    if not found.cost_pusd and found.unknown_cost_attempts:
        found.cost_pusd = found.list_cost_pusd = None
    return found


_ADDED = (
    *("requests", "attempts", "failed_requests", "cost_pusd", "unknown_cost_attempts", "list_cost_pusd"),
    *("saved_pusd", "estimated_cost_pusd", "corrections_pusd", "failed_attempts"),
    *("failed_attempts_cost_pusd", "unanswered_requests", "unanswered_cost_pusd", "truncated_requests"),
    *("truncated_cost_pusd", "repeated_requests", "repeated_cost_pusd", "revenue_pusd", "previous_cost_pusd"),
)


def fields(found: Row) -> dict[str, Any]:
    """The columns of a row without its group, in a stable order; every amount in picodollars and in USD."""
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        if name in found.tokens:
            columns[name] = found.tokens[name]
            continue
        value = getattr(found, name)
        columns[name] = value
        if name.endswith(_USD):
            columns[f"{name.removesuffix(_USD)}_usd"] = None if value is None else exact(value)
    return columns


COLUMNS = (
    *("requests", "attempts", "failed_requests", "sessions", "sessions_are_estimated"),
    *TOKENS,
    *("cost_pusd", "unknown_cost_attempts", "list_cost_pusd", "saved_pusd", "estimated_cost_pusd"),
    *("corrections_pusd", "revenue_pusd", "margin_pusd", "margin_permille"),
    *("cost_per_request_pusd", "cost_per_session_pusd", "previous_cost_pusd", "change_permille"),
    *("failed_attempts", "failed_attempts_cost_pusd", "unanswered_requests", "unanswered_cost_pusd"),
    *("truncated_requests", "truncated_cost_pusd", "repeated_requests", "repeated_cost_pusd"),
)
"""Fields of `Row` and classes of tokens, as CSV and JSON have them."""
