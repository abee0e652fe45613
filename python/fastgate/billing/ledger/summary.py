"""What is added up for a group of events."""

from collections.abc import Sequence
from typing import Any

import msgspec

from fastgate.billing.ledger.schema import AMOUNTS, COUNTS, LOWER_BITS


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

    def merge(self, other: "Summary") -> None:
        """Add what another one holds, bar its sessions: those of two groups may be the same."""
        for name in _NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Point(msgspec.Struct, frozen=True):
    """One step of a series."""

    start_unix_s: int
    summary: Summary


def summary_of(sums: Sequence[int]) -> Summary:
    """A row of `schema.MEASURE_COLUMNS`, so far without its group and sessions."""
    upper, lower = sums[_COUNTS::2], sums[_COUNTS + 1 :: 2]
    amounts = [(high << LOWER_BITS) + low for high, low in zip(upper, lower, strict=True)]
    values: dict[str, Any] = dict(zip(_NAMES, (*sums[:_COUNTS], *amounts), strict=True))
    return Summary(group=(), **values)


_COUNTS = len(COUNTS)
_NAMES = (*COUNTS, *AMOUNTS)
