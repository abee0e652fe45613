"""What is added up for a group of events."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from fastgate.billing.ledger.schema import AMOUNTS, COUNTS, LOWER_BITS, SPENDING_COUNTS


class Spending(msgspec.Struct, kw_only=True):
    """What a summary says of cost, at a fifth of its price."""

    group: tuple[str | None, ...]
    requests: int = 0
    unknown_cost_requests: int = 0
    cost_pusd: int = 0


class Summary(msgspec.Struct, kw_only=True):
    """Sums over the events of one group. Money is exact picodollars of any size."""

    group: tuple[str | None, ...]
    """Values in the order of `by`; None where the events name nothing. Times are `2026-11`, `2026-11-28`,
    `2026-11-28T13:00Z`."""

    requests: int = 0
    """Exchanges, refused ones included."""
    attempts: int = 0
    """Calls to deployments."""
    failed_attempts: int = 0
    """Those that came to nothing, so that another followed or the exchange failed."""
    failed_requests: int = 0
    """Exchanges that were not answered, whoever's doing that was."""

    cost_pusd: int = 0
    """Of what is known to cost something, corrections included."""
    unknown_cost_requests: int = 0
    """Attempts whose price is unknown: `cost_pusd` does not have them."""
    list_cost_pusd: int = 0
    """Before discounts; what has no list price counts with its cost."""
    reported_cost_pusd: int = 0
    """What providers say it cost, where they do."""
    reported_cost_requests: int = 0
    """Attempts for which they do."""
    saved_pusd: int = 0
    """What caches and the like saved."""
    failed_attempts_cost_pusd: int = 0
    """What attempts before the final one cost."""
    unanswered_requests: int = 0
    """Those of `failed_requests` whose final attempt cost something."""
    unanswered_cost_pusd: int = 0
    truncated_requests: int = 0
    """Answers that ended because the limit of output tokens was reached."""
    truncated_cost_pusd: int = 0
    estimated_requests: int = 0
    """Exchanges whose tokens the gateway estimated, or that were lost in a crash."""
    estimated_cost_pusd: int = 0
    repeated_requests: int = 0
    """Exchanges with a body that the same tenant had sent before on that day (UTC)."""
    repeated_cost_pusd: int = 0
    corrections: int = 0
    corrections_pusd: int = 0
    """What they add to `cost_pusd`."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_write_other_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    cache_read_audio_tokens: int = 0
    cache_read_image_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0

    sessions: int | None = None
    """Distinct sessions (of a tenant); None where the question has a dimension that sessions are not kept by
    (`provider_model`, `operation`, `outcome`, `fault`)."""
    is_sessions_estimated: bool = False
    """There are so many that a part was counted and scaled up."""

    def spending(self) -> Spending:
        """What it says of cost."""
        return Spending(
            group=self.group,
            requests=self.requests,
            unknown_cost_requests=self.unknown_cost_requests,
            cost_pusd=self.cost_pusd,
        )

    def merge(self, other: "Summary") -> None:
        """Add what another one holds, bar its sessions: those of two groups may be the same."""
        for name in _NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))


Sums = TypeVar("Sums", Summary, Spending)


class Point(msgspec.Struct, Generic[Sums], frozen=True):
    """One step of a series."""

    start_unix_s: int
    summary: Sums


def summary_of(sums: Sequence[int]) -> Summary:
    """A row of `schema.SUMS_OF_ROLLUPS`, so far without its group and sessions."""
    return Summary(group=(), **_values(sums, (*COUNTS,), (*AMOUNTS,)))


def spending_of(sums: Sequence[int]) -> Spending:
    """A row of `schema.SPENDING_OF_ROLLUPS`, so far without its group."""
    return Spending(group=(), **_values(sums, SPENDING_COUNTS, ("cost_pusd",)))


def _values(sums: Sequence[int], counts: Sequence[str], amounts: Sequence[str]) -> dict[str, Any]:
    upper, lower = sums[len(counts) :: 2], sums[len(counts) + 1 :: 2]
    values = [(high << LOWER_BITS) + low for high, low in zip(upper, lower, strict=True)]
    return dict(zip((*counts, *amounts), (*sums[: len(counts)], *values), strict=True))


_NAMES = (*COUNTS, *AMOUNTS)
